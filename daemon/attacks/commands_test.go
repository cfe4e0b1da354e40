//go:build linux && system

package attacks

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// elsewhere are commands of falcred that everyCommand leaves to others.
var elsewhere = []string{
	"demo",            // TestDemoShowsNoSecret
	"run",             // every test of this package
	"restart", "stop", // withoutDaemon
}

// wantAllCommands compares what was run with what falcred says it can do, so that
// a new command is not forgotten here.
func (s *scene) wantAllCommands(ran []string) {
	s.Helper()
	out, code := s.run("", "falcred", "__complete", "")
	known := 0
	for line := range strings.Lines(out) {
		name, _, isCommand := strings.Cut(line, "\t")
		if !isCommand {
			continue
		}
		known++
		if !slices.Contains(ran, name) && !slices.Contains(elsewhere, name) {
			s.Errorf("falcred %s was not run: its output is not searched", name)
		}
	}
	if code != 0 || known < 10 {
		s.Errorf("falcred names %d commands, and exits with %d:\n%s", known, code, out)
	}
}

// throughAChange runs commands that go on until they are stopped, and lets them
// see another login.
func (s *scene) throughAChange(commands ...[]string) {
	s.Helper()
	var running []*exec.Cmd
	for _, args := range commands {
		path := filepath.Join(s.Base, "out", strings.ReplaceAll(strings.Join(args, " "), "/", "_"))
		out, err := os.Create(path)
		s.Must(err)
		defer out.Close()
		cmd := s.command(args[0], args[1:]...)
		if args[1] == "follow" {
			cmd.Env = append(cmd.Env, "FAL_HOME_DIR="+s.Base+"/elsewhere") // not over the login
		}
		cmd.Stdout, cmd.Stderr = out, out
		s.Must(cmd.Start())
		running = append(running, cmd)
		s.Eventually(args[1]+" has begun", func() bool {
			info, err := os.Stat(path)
			return err == nil && info.Size() > 0
		})
	}
	s.renewed()
	for _, cmd := range running {
		cmd.Process.Signal(syscall.SIGINT)
		testkit.Wait(cmd)
		if !cmd.ProcessState.Exited() && cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
			s.Errorf("%v did not end", cmd.Args)
		}
	}
}

// renewed has the daemon serve another login.
func (s *scene) renewed() (access string) {
	s.Helper()
	_, access = s.login(0)
	s.Eventually("the new login is served", func() bool {
		var got protocol.Credential
		return s.Ask(getLogin, &got) == nil && string(got.Secret) == access
	})
	return access
}

// overTheSockets asks for everything that each socket has, a watch through a
// change too. What comes holds access tokens, as it should, and nothing else.
func (s *scene) overTheSockets(sockets ...string) (tries int) {
	s.Helper()
	for _, socket := range sockets {
		c, err := net.Dial("unix", socket)
		s.Must(err)
		c.SetDeadline(time.Now().Add(testkit.Patience))
		requests := []string{getLogin, "list", "status", "version", "nonsense", "store {}", "watch" + strings.TrimPrefix(getLogin, "get")}
		fmt.Fprint(c, strings.Join(requests, "\n")+"\n")
		lines := bufio.NewScanner(c)
		heard := ""
		for range requests {
			if lines.Scan() {
				heard += lines.Text() + "\n"
			}
		}
		access := s.renewed()
		for !strings.Contains(heard, access) && lines.Scan() {
			heard += lines.Text() + "\n"
		}
		c.Close()
		if !strings.Contains(heard, access) {
			s.Errorf("%s: the watch did not come to the new token: nothing is tested", filepath.Base(socket))
		}
		if found := s.issuer.secrets.refreshTokenIn(heard); found != "" {
			s.Errorf("%s gave %s away", filepath.Base(socket), found)
		}
		tries += len(requests)
	}
	return tries
}

// What the demo prints has no secret either: its issuer is its own, so that it is
// known by its forms only.
func TestDemoShowsNoSecret(t *testing.T) {
	t.Parallel()
	s := newScene(t, idp.Config{})
	out, code := s.run("", "falcred", "demo")
	if code != 0 || !strings.Contains(out, "refresh") {
		t.Fatalf("the demo exits with %d:\n%s", code, out)
	}
	refresh, access, _ := s.issuer.Login("ann")
	secret := regexp.MustCompile(`v1\.[A-Za-z0-9_-]{8}|eyJ[A-Za-z0-9_-]{8}`)
	if !secret.MatchString(refresh) || !secret.MatchString(access) {
		t.Fatal("the forms of tokens are others by now")
	}
	if found := secret.FindString(out); found != "" {
		t.Errorf("the demo prints %s…", found)
	}
	if left, _ := os.ReadDir(s.Base + "/tmp"); len(left) > 0 {
		t.Errorf("the demo leaves %v", left)
	}
}
