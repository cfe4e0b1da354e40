//go:build unix

package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
)

// Ctrl-C, and a terminal that is closed, leave neither a home nor a daemon behind.
func TestDemoEnds(t *testing.T) {
	t.Parallel()
	t.Run("in the middle", demoInterrupted)
	t.Run("--keep", demoKept)
	t.Run("--keep, and the terminal is closed", func(t *testing.T) {
		t.Parallel()
		p := keepDemo(t)
		daemon := p.dial()
		p.end(syscall.SIGHUP)
		p.hungUp(daemon)
		p.nothingLeft()
	})
}

func demoInterrupted(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	temporary := t.TempDir()
	cmd := exec.Command(self, "demo")
	cmd.Args[0] = "falcred" // TestMain then runs main
	cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid, interrupted := 0, false
	process := regexp.MustCompile(`runs as process (\d+)`)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if m := process.FindStringSubmatch(lines.Text()); m != nil {
			pid, _ = strconv.Atoi(m[1])
		}
		if strings.Contains(lines.Text(), "... refresh ") && !interrupted { // once: a second one may meet its last steps
			cmd.Process.Signal(os.Interrupt)
			interrupted = true
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != exitFailure {
		t.Errorf("the demo ended with %v", cmd.ProcessState)
	}
	if entries, _ := os.ReadDir(temporary); len(entries) > 0 {
		t.Errorf("it left %s", entries[0].Name())
	}
	if pid == 0 || syscall.Kill(pid, 0) == nil {
		t.Errorf("its daemon, process %d, is still there", pid)
	}
}

// demoKept: an issuer, a home and a daemon run. The lines that are printed are all that a shell needs for
// login and the rest; Ctrl-C removes everything, the daemon too that was started meanwhile.
func demoKept(t *testing.T) {
	t.Parallel()
	// What the user has set has no say there.
	p := keepDemo(t, "FALCRED_ISSUER=https://issuer.invalid", "FAL_KEY=id:hunter2", "FALCRED_TEAM=nobodys", "HTTP_PROXY=http://127.0.0.1:1")
	p.onPage()
	p.falcred(exitFailure, "nobody is logged in", "whoami")
	p.signIn()
	p.falcred(exitOK, "auth0.demo", "whoami")
	p.falcred(exitOK, "acme +team +Acme Inc", "team", "list")
	p.falcred(exitOK, "attributed to acme", "team", "set", "acme")
	p.falcred(exitOK, "acme", "whoami")
	p.falcred(exitOK, "logged in", "status")
	p.falcred(exitOK, "a login appeared", "history")
	p.falcred(anyExit, "ok +teams", "doctor") // 1 where docker-credential-fal is not on PATH
	p.falcred(exitOK, "^eyJ", "token")
	first := p.dial()
	p.falcred(exitOK, "falcred", "restart")
	p.hungUp(first)
	second := p.dial()
	p.end(os.Interrupt)
	p.hungUp(second)
	p.nothingLeft()
}

// kept is a demo --keep that runs, and the shell beside it.
type kept struct {
	*testing.T
	cmd             *exec.Cmd
	said            *bufio.Scanner
	temporary, home string
	text            string            // what was printed
	shell           map[string]string // the environment after the printed lines
	activate        string            // the page where a login is approved
}

func keepDemo(t *testing.T, more ...string) *kept {
	t.Helper()
	p := &kept{T: t, temporary: testkit.ShortDir(t), home: t.TempDir(), shell: map[string]string{}}
	environ := append(os.Environ(), append(more, "TMPDIR="+p.temporary, "HOME="+p.home)...)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		p.shell[name] = value
	}
	p.cmd = p.command("demo", "--keep")
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Signal(os.Interrupt) }) // it has ended, unless the test has failed
	assigned := regexp.MustCompile(`^   export (FAL_\w+)=(\S+)$`)
	forgotten := regexp.MustCompile(`^   unset (\w+)$`)
	approved := regexp.MustCompile(`^   curl .* (http://\S+)$`)
	p.said = bufio.NewScanner(stdout)
	for p.said.Scan() {
		line := p.said.Text()
		p.text += line + "\n"
		if m := assigned.FindStringSubmatch(line); m != nil {
			p.shell[m[1]] = m[2]
		} else if m := forgotten.FindStringSubmatch(line); m != nil {
			delete(p.shell, m[1])
		} else if m := approved.FindStringSubmatch(line); m != nil {
			p.activate = m[1]
		} else if strings.HasPrefix(line, "Ctrl-C") {
			return p
		}
	}
	t.Fatal("the demo has ended")
	return nil
}

// onPage wants what was printed to be what README.md shows.
func (p *kept) onPage() {
	p.Helper()
	page, err := os.ReadFile("README.md")
	if err != nil {
		p.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)^   (unset|export PATH).*\n`).ReplaceAllString(p.text, "")
	text = regexp.MustCompile(`/\S*/falcred-demo-\d+`).ReplaceAllString(text, "/tmp/falcred-demo-1234")
	text = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(text, "127.0.0.1:4242")
	if !strings.Contains(string(page), "```text\n"+text+"```\n") {
		p.Errorf("README.md does not show what is printed:\n%s", text)
	}
}

// command is falcred in the shell.
func (p *kept) command(args ...string) *exec.Cmd {
	p.Helper()
	self, err := os.Executable()
	if err != nil {
		p.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Args = append([]string{"falcred"}, args...) // TestMain then runs main
	for name, value := range p.shell {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

const anyExit = -1

// falcred runs a command there, and wants an exit code and some words.
func (p *kept) falcred(code int, words string, args ...string) {
	p.Helper()
	cmd := p.command(args...)
	out, _ := cmd.CombinedOutput()
	if code != anyExit && cmd.ProcessState.ExitCode() != code || !regexp.MustCompile(words).Match(out) {
		p.Errorf("falcred %q: exit status %d, and no %q in\n%s", args, cmd.ProcessState.ExitCode(), words, out)
	}
}

// signIn approves a login as the printed line for curl does.
func (p *kept) signIn() {
	p.Helper()
	cmd := p.command("login")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		p.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.Fatal(err)
	}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if code, found := strings.CutPrefix(lines.Text(), "user_code: "); found {
			resp, err := http.PostForm(p.activate, url.Values{"decision": {"approve"}, "user_code": {code}})
			if err != nil {
				p.Fatal(err)
			}
			resp.Body.Close()
		}
	}
	if err := cmd.Wait(); err != nil {
		p.Fatalf("login: %v", err)
	}
}

// dial connects to the daemon that serves there.
func (p *kept) dial() net.Conn {
	p.Helper()
	conn, err := net.Dial("unix", filepath.Join(p.shell["FAL_HOME_DIR"], "falcred.sock"))
	if err != nil {
		p.Fatal(err)
	}
	return conn
}

// hungUp wants the daemon of a connection to have ended already. One whose home vanishes ends too, some
// seconds later.
func (p *kept) hungUp(conn net.Conn) {
	p.Helper()
	conn.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		p.Errorf("a daemon goes on: %v", err)
	}
	conn.Close()
}

// end sends a signal, and wants the demo to end well.
func (p *kept) end(signal os.Signal) {
	p.Helper()
	p.cmd.Process.Signal(signal)
	for p.said.Scan() {
	}
	if err := p.cmd.Wait(); err != nil {
		p.Errorf("the demo ended with %v", err)
	}
}

func (p *kept) nothingLeft() {
	p.Helper()
	for _, folder := range []string{p.temporary, p.home} {
		if entries, _ := os.ReadDir(folder); len(entries) > 0 {
			p.Errorf("it left %s in %s", entries[0].Name(), folder)
		}
	}
}
