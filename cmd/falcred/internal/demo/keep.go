package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/falcred/falcred/daemon/envfile"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol/peer"
)

// playground is what `falcred demo --keep` leaves running: an issuer that knows some teams, a home
// that names it, and a daemon there.
type playground struct {
	*ui.Console
	home   string
	issuer *idp.Server
	daemon *child
}

// Keep makes one, says how a shell uses it, and removes all of it when ctx ends.
func Keep(ctx context.Context, out io.Writer) error {
	p := &playground{Console: ui.NewConsole(out)}
	err := p.prepare(ctx)
	if err == nil {
		p.invite()
		<-ctx.Done()
		p.print("", "ending…")
	}
	if left := p.clean(); left != nil {
		return left
	}
	if err == nil {
		p.print("the daemon has ended, and the home is removed; the other terminal still names it:",
			"close it, or there: "+forget("FAL_HOME_DIR", "FAL_CONFIG_PATH"))
	}
	return err
}

func (p *playground) prepare(ctx context.Context) (err error) {
	if !peer.Serves {
		return peer.ErrNotServed
	}
	var socket string
	if p.home, socket, err = makeHome(); err != nil {
		return err
	}
	p.issuer, err = idp.Start(idp.Config{Interval: time.Second, Teams: []idp.Team{
		{Nickname: "acme", FullName: "Acme Inc.", UserID: "team_acme"},
		{Nickname: "beta", FullName: "Beta Ltd.", UserID: "team_beta"},
	}})
	if err != nil {
		return err
	}
	lines := []string{
		"FALCRED_ISSUER=" + p.issuer.URL,
		"FALCRED_CLIENT_ID=" + clientID,
		"FALCRED_NOTIFY=0", // this login is nobody's
		"FAL_REST_HOST=" + p.issuer.URL,
		"FAL_CONFIG_PATH=" + p.config(),
	}
	err = os.WriteFile(filepath.Join(p.home, envfile.Name), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
	if err != nil {
		return err
	}
	p.daemon, err = startDaemon(ctx, p.environment(), socket)
	return err
}

// config is the fal config of this home: team set is not to change the user's own.
func (p *playground) config() string { return filepath.Join(p.home, "config.toml") }

type setting struct{ name, value string }

// settings are what a shell needs to be about this home, and not the user's.
func (p *playground) settings() []setting {
	return []setting{{"FAL_HOME_DIR", p.home}, {"FAL_CONFIG_PATH", p.config()}}
}

// meddles says whether a variable of the user's would have a say here.
func meddles(entry string) bool {
	name := strings.ToUpper(entry)
	return strings.HasPrefix(name, "FAL_") || strings.HasPrefix(name, "FALCRED_")
}

// environment is what the shell has after the lines that invite prints.
func (p *playground) environment() []string {
	env := slices.DeleteFunc(os.Environ(), meddles)
	for _, s := range p.settings() {
		env = append(env, s.name+"="+s.value)
	}
	return env
}

// invite prints the lines for another shell, and what can be tried there.
func (p *playground) invite() {
	p.print("A playground for falcred: it needs no account and no network, and what you do",
		"here changes nothing of yours. In the place of fal's, an identity provider runs",
		"at "+p.issuer.URL+", and a daemon in "+p.home+".",
		"",
		p.Bold("In another terminal, these lines make falcred use it, in that terminal only:"), "")
	for _, s := range p.settings() {
		p.Say("%s", assign(s.name, s.value))
	}
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if meddles(entry) && name != "FAL_HOME_DIR" && name != "FAL_CONFIG_PATH" {
			p.Say("%s", forget(name))
		}
	}
	if folder := folder(); folder != "" {
		p.Say("%s", onPath(folder))
	}
	p.print("", p.Bold("Then try there:"), "")
	for _, try := range []setting{
		{"falcred login", "open the address that it shows, and press Approve"},
		{"falcred whoami", "who is logged in"},
		{"falcred status", "what this shell would send, and for whom"},
		{"falcred token", "the credential itself; no server of fal's knows it"},
		{"falcred team list", "and: falcred team set acme"},
		{"falcred history", "what has happened to the login"},
		{"falcred doctor", "what does not work on this machine"},
		{"falcred logout", "end the login"},
	} {
		p.Say("%-20s%s", try.name, try.value)
	}
	p.print("", "Without a browser, approve with the code that falcred login shows:", "")
	p.Say("%s", approval(p.issuer.URL+"/activate"))
	p.print("", "A request with that credential, to that identity provider:", "")
	p.Say("%s", request(p.issuer.URL+"/userinfo"))
	p.print("", "Ctrl-C here ends it all, and removes the home.")
}

func (p *playground) print(lines ...string) {
	for _, line := range lines {
		fmt.Fprintln(p.Out, line)
	}
}

// folder is this very program's, "" where that has another name. "go run" builds it in one of its own, and
// the PATH of another terminal may not have it either.
func folder() string {
	self, err := os.Executable()
	if err != nil || strings.TrimSuffix(filepath.Base(self), ".exe") != "falcred" {
		return ""
	}
	return filepath.Dir(self)
}

// clean ends whatever serves the home, whoever has started it, and removes the home. The issuer goes
// first: a daemon would wait for its answer.
func (p *playground) clean() error {
	if p.issuer != nil {
		p.issuer.Close()
	}
	if p.home == "" {
		return nil
	}
	for _, verb := range [][]string{{"service", "uninstall"}, {"stop"}} {
		p.command(verb...).Run() // there may be none
	}
	if p.daemon != nil {
		p.daemon.end()
	}
	return os.RemoveAll(p.home)
}

// command is this very program, about this home.
func (p *playground) command(args ...string) *exec.Cmd {
	self, _ := os.Executable()
	cmd := exec.Command(self, args...) // #nosec G204 -- this very program
	cmd.Args[0] = "falcred"
	cmd.Env = p.environment()
	return cmd
}
