package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/disk"
	falenv "github.com/falcred/falcred/protocol/env"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(sideBySide{m}, map[string]func(){"falcred": main})
}

// sideBySide is what testscript runs in the place of tests.
type sideBySide struct{ *testing.M }

func (s sideBySide) Run() int {
	testkit.SideBySide()
	return s.M.Run()
}

func TestScripts(t *testing.T) { scripts(t, "testdata") }

// scripts runs those of a folder.
func scripts(t *testing.T, folder string) {
	testscript.Run(t, testscript.Params{
		Dir:                 folder,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Condition: func(name string) (bool, error) {
			switch name {
			case "root":
				return os.Geteuid() == 0, nil
			case "systemd":
				_, err := os.Stat("/run/systemd/system")
				return err == nil, nil
			case "wine":
				return testkit.Wine(), nil
			}
			return false, errors.New("unknown condition " + name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"issuer": startIssuer,
			"login":  leaveLogin,
			"served": served,
			"state":  state,
			"empty":  empty,
			"theirs": theirs,
			"team":   team,

			"unresolved": unresolved,
			"followed":   followed,
			"refused":    refused,
			"gone":       goneFile,
			"says":       says,

			"approve": approve,
			"deny":    deny,
			"down":    down,
			"hurry":   hurry,
			"revoke":  revoke,
			"ended":   endLogin,
			"opened":  opened,

			"selfsigned": selfSigned,
			"alive":      living,
			"append":     appendLine,
			"warned":     warned,
			"private":    private,
		},
	})
}

// setup gives each script a home of its own, and a socket whose path is short
// enough for macOS. Whatever the developer's environment holds stays outside.
func setup(env *testscript.Env) error {
	parent := ""
	if runtime.GOOS == "darwin" {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "falcred")
	if err != nil {
		return err
	}
	env.Defer(func() { os.RemoveAll(dir) })
	env.Setenv("FALCRED_SOCKET", filepath.Join(dir, "s"))
	env.Setenv("FAL_HOME_DIR", filepath.Join(env.WorkDir, "home"))
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("USERPROFILE", env.WorkDir)
	env.Setenv("FALCRED_CLIENT_ID", testClient)
	env.Setenv("FALCRED_NOTIFY", "0")
	env.Values["issuers"] = map[string]*idp.Server{}
	return nil
}

// exits runs a command and wants an exit status: exits 2 falcred nonsense.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit := new(exec.ExitError)
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, not %d", got, want)
	}
}

// startIssuer starts an identity provider and puts its URL into a variable.
func startIssuer(ts *testscript.TestScript, _ bool, args []string) {
	s, err := idp.Start(idp.Config{ClientID: testClient, Interval: time.Second, Teams: []idp.Team{{Nickname: "acme", FullName: "Acme Inc.", UserID: "team_acme"}}})
	ts.Check(err)
	ts.Defer(s.Close)
	ts.Value("issuers").(map[string]*idp.Server)[args[0]] = s
	ts.Setenv(args[0], s.URL)
}

// leaveLogin leaves a login of that issuer in the home, as `fal auth login` does.
func leaveLogin(ts *testscript.TestScript, _ bool, args []string) {
	refresh, _, _ := ts.Value("issuers").(map[string]*idp.Server)[args[0]].Login("auth0|ada")
	ts.Check(os.MkdirAll(ts.Getenv("FAL_HOME_DIR"), 0o700))
	ts.Check(writeTokens(filepath.Join(ts.Getenv("FAL_HOME_DIR"), falenv.TokenFile), refresh, ""))
}

// private makes a folder and those above it, for us alone: what Windows hands down from C:\ lets others write.
func private(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(disk.MkdirAll(filepath.Dir(args[0]), 0o700))
	ts.Check(disk.MkdirAll(args[0], 0o700))
}

// served waits until the login in the file is served, and not one before it.
func served(ts *testscript.TestScript, _ bool, _ []string) {
	client := &helper.Client{Socket: ts.Getenv("FALCRED_SOCKET")}
	defer client.Close()
	ts.Check(until("a credential", func() bool {
		cred, err := client.Get(context.Background(), protocol.Query{ServerURL: protocol.DefaultServer, ForceUser: true})
		_, access := readTokens(filepath.Join(ts.Getenv("FAL_HOME_DIR"), falenv.TokenFile))
		return err == nil && string(cred.Secret) == access
	}))
}

// state waits until the daemon's state is that one.
func state(ts *testscript.TestScript, _ bool, args []string) {
	client := &helper.Client{Socket: ts.Getenv("FALCRED_SOCKET")}
	defer client.Close()
	ts.Check(until("state "+args[0], func() bool {
		status, err := client.Status(context.Background())
		return err == nil && string(status.State) == args[0]
	}))
}

// warned waits until the daemon warns of that: a look that takes long is for the next status.
func warned(ts *testscript.TestScript, _ bool, args []string) {
	client := &helper.Client{Socket: ts.Getenv("FALCRED_SOCKET")}
	defer client.Close()
	ts.Check(until("the warning "+args[0], func() bool {
		status, err := client.Status(context.Background())
		return err == nil && strings.Contains(strings.Join(status.Warnings, "\n"), args[0])
	}))
}

// empty wants a folder with nothing in it.
func empty(ts *testscript.TestScript, _ bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	for _, entry := range entries {
		ts.Fatalf("%s holds %s", args[0], entry.Name())
	}
}

// appendLine adds a line to a file, and makes it where there is none.
func appendLine(ts *testscript.TestScript, _ bool, args []string) {
	file, err := os.OpenFile(ts.MkAbs(args[0]), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	_, err = file.WriteString(args[1] + "\n")
	ts.Check(errors.Join(err, file.Close()))
}

// theirs puts a folder of another user into a variable, whoever we are: root gives
// one away, and everybody else has root's.
func theirs(ts *testscript.TestScript, _ bool, args []string) {
	folder := "/usr"
	if os.Geteuid() == 0 {
		folder = ts.MkAbs("theirs")
		ts.Check(os.Mkdir(folder, 0o755))
		ts.Check(os.Chown(folder, 65534, 65534))
	}
	ts.Setenv(args[0], folder)
}

// team waits until that team, or none, has been resolved.
func team(ts *testscript.TestScript, _ bool, args []string) {
	client := &helper.Client{Socket: ts.Getenv("FALCRED_SOCKET")}
	defer client.Close()
	ts.Check(until("team "+args[0], func() bool {
		status, err := client.Status(context.Background())
		return err == nil && status.Team == args[0] && (status.TeamID != "") == (args[0] != "")
	}))
}

// unresolved waits until it is not known whom requests are attributed to.
func unresolved(ts *testscript.TestScript, _ bool, _ []string) {
	client := &helper.Client{Socket: ts.Getenv("FALCRED_SOCKET")}
	defer client.Close()
	ts.Check(until("an unresolved team", func() bool {
		_, err := client.Get(context.Background(), protocol.Query{ServerURL: protocol.DefaultServer, ForceUser: true})
		e := new(protocol.Error)
		return errors.As(err, &e) && e.Code == protocol.CodeTeamUnresolved
	}))
}

// followed waits until a home's token file holds what the socket serves, and no
// refresh token.
func followed(ts *testscript.TestScript, _ bool, args []string) {
	client := &helper.Client{Socket: ts.Getenv("FALCRED_SOCKET")}
	defer client.Close()
	ts.Check(until("a followed file", func() bool {
		cred, err := client.Get(context.Background(), protocol.Query{ServerURL: protocol.DefaultServer, ForceUser: true})
		first, access := readTokens(filepath.Join(ts.MkAbs(args[0]), falenv.TokenFile))
		return err == nil && access == string(cred.Secret) && strings.HasPrefix(first, "falcred-follow")
	}))
}

// refused does what the fal CLI does to a file whose access token is too old for
// it (§2): it sends line 1 to the issuer, and deletes the file when that fails.
func refused(ts *testscript.TestScript, _ bool, args []string) {
	path := filepath.Join(ts.MkAbs(args[1]), falenv.TokenFile)
	first, _ := readTokens(path)
	answer, err := http.PostForm(ts.Getenv(args[0])+"/oauth/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {testClient}, "refresh_token": {first},
	})
	ts.Check(err)
	answer.Body.Close()
	if answer.StatusCode < 400 {
		ts.Fatalf("the issuer took the placeholder: status %d", answer.StatusCode)
	}
	ts.Check(os.Remove(path))
}

// goneFile waits until a file is no longer there.
func goneFile(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(until("the end of "+args[0], func() bool {
		_, err := os.Lstat(ts.MkAbs(args[0]))
		return errors.Is(err, fs.ErrNotExist)
	}))
}

// says waits until a file has that text in it.
func says(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(until(args[0]+" with "+args[1], func() bool {
		text, _ := os.ReadFile(ts.MkAbs(args[0]))
		return strings.Contains(string(text), args[1])
	}))
}

func named(ts *testscript.TestScript, name string) *idp.Server {
	return ts.Value("issuers").(map[string]*idp.Server)[name]
}

// approve has that issuer confirm each device login from now on.
func approve(ts *testscript.TestScript, _ bool, args []string) {
	named(ts, args[0]).SetConfig(func(c *idp.Config) { c.AutoApprove, c.AutoDeny = true, false })
}

// deny has it refuse them.
func deny(ts *testscript.TestScript, _ bool, args []string) {
	named(ts, args[0]).SetConfig(func(c *idp.Config) { c.AutoApprove, c.AutoDeny = false, true })
}

// down ends that issuer.
func down(ts *testscript.TestScript, _ bool, args []string) { named(ts, args[0]).Close() }

// living wants the file's refresh token to be alive at that issuer.
func living(ts *testscript.TestScript, _ bool, args []string) {
	refresh, _ := readTokens(filepath.Join(ts.Getenv("FAL_HOME_DIR"), falenv.TokenFile))
	if !named(ts, args[0]).Alive(refresh) {
		ts.Fatalf("the login in the token file is dead")
	}
}

// revoke ends the login in the file at that issuer.
func revoke(ts *testscript.TestScript, _ bool, args []string) {
	refresh, _ := readTokens(filepath.Join(ts.Getenv("FAL_HOME_DIR"), falenv.TokenFile))
	answer, err := http.PostForm(ts.Getenv(args[0])+"/oauth/revoke", url.Values{"client_id": {testClient}, "token": {refresh}})
	ts.Check(err)
	answer.Body.Close()
	if named(ts, args[0]).Alive(refresh) {
		ts.Fatalf("it is alive: status %d", answer.StatusCode)
	}
}

// hurry has that issuer's device codes run out in two seconds.
func hurry(ts *testscript.TestScript, _ bool, args []string) {
	named(ts, args[0]).SetConfig(func(c *idp.Config) { c.AutoApprove, c.AutoDeny, c.DeviceLife = false, false, 2*time.Second })
}

// selfSigned starts a server whose certificate is its own, and puts its URL into a
// variable.
func selfSigned(ts *testscript.TestScript, _ bool, args []string) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	ts.Defer(s.Close)
	ts.Setenv(args[0], s.URL)
}
