//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/env"
)

// screen is a program on a terminal of its own.
type screen struct {
	*testing.T
	vt   *vt
	cmd  *exec.Cmd
	keys *os.File
	idp  *idp.Server
	home string
	done chan struct{}

	keyless bool // standard input is no terminal

	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

// newScreen has an issuer and a home with nobody's login.
func newScreen(t *testing.T, rows, columns int) *screen {
	t.Helper()
	issuer := testkit.StartIssuer(t, idp.Config{ClientID: testClient, Interval: time.Second,
		Teams: []idp.Team{{Nickname: "acme", FullName: "Acme Inc.", UserID: "team_acme"}}})
	s := &screen{T: t, vt: newVT(rows, columns), idp: issuer, home: filepath.Join(t.TempDir(), "home"), done: make(chan struct{})}
	nameREST(t, s.home, issuer.URL)
	return s
}

// onScreen starts this test's own binary, which testscript turns into falcred.
func onScreen(t *testing.T, args ...string) *screen {
	t.Helper()
	s := newScreen(t, 50, 120)
	s.start(nil, args...)
	return s
}

// start runs falcred with more in its environment.
func (s *screen) start(env []string, args ...string) {
	s.Helper()
	self, err := os.Executable()
	if err != nil {
		s.Fatal(err)
	}
	s.cmd = exec.Command(self)
	s.cmd.Args = append([]string{"falcred"}, args...)
	s.cmd.Env = append([]string{
		"TERM=xterm-256color", "PATH=" + os.Getenv("PATH"), "HOME=" + s.TempDir(), "FAL_HOME_DIR=" + s.home,
		"FALCRED_SOCKET=" + filepath.Join(s.TempDir(), "none"), "FALCRED_ISSUER=" + s.idp.URL, "FALCRED_CLIENT_ID=" + testClient,
		"FAL_CONFIG_PATH=" + filepath.Join(s.home, "config.toml"),
	}, env...)
	keys, terminal, err := pty.Open()
	if err != nil {
		s.Fatal(err)
	}
	s.keys = keys
	testkit.Must(s, pty.Setsize(terminal, &pty.Winsize{Rows: uint16(s.vt.size), Cols: uint16(s.vt.columns)}))
	s.cmd.Stdout, s.cmd.Stderr = terminal, terminal
	if !s.keyless {
		s.cmd.Stdin, s.cmd.SysProcAttr = terminal, &syscall.SysProcAttr{Setsid: true, Setctty: true}
	}
	testkit.Must(s, s.cmd.Start())
	terminal.Close()
	go s.read()
	s.Cleanup(func() {
		s.cmd.Process.Kill()
		<-s.done
		s.cmd.Wait()
		s.keys.Close()
	})
}

// resize is somebody who changes the size of the window.
func (s *screen) resize(rows, columns int) {
	s.Helper()
	s.vt.resize(rows, columns)
	testkit.Must(s, pty.Setsize(s.keys, &pty.Winsize{Rows: uint16(rows), Cols: uint16(columns)}))
}

// types answers a question, once it stands there.
func (s *screen) types(question, answer string) {
	s.Helper()
	s.until(question)
	s.keys.WriteString(answer)
}

// wantsNoService answers the last question, and reports whether it was asked: where systemd runs
// and has nothing for this user, none can be installed.
func (s *screen) wantsNoService() (asked bool) {
	s.Helper()
	if s.until(`(Install the service\? \[Y/n\] )|nothing keeps it fresh yet: falcred run`)[1] == "" {
		return false
	}
	s.keys.WriteString("n\n")
	s.until(`to do it later: .*falcred service install`)
	return true
}

// login leaves a login in the home.
func (s *screen) login() (refresh string) {
	s.Helper()
	refresh, access, _ := s.idp.Login("auth0|ada")
	testkit.Must(s, writeTokens(filepath.Join(s.home, env.TokenFile), refresh, access))
	return refresh
}

func (s *screen) read() {
	defer close(s.done)
	buf := make([]byte, 4096)
	for {
		n, err := s.keys.Read(buf)
		s.mu.Lock()
		s.text.Write(buf[:n])
		s.vt.Write(buf[:n])
		s.mu.Unlock()
		if err != nil { // EIO when the program has ended
			return
		}
	}
}

func (s *screen) shown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// until waits for something on the screen and returns what it is.
func (s *screen) until(pattern string) []string {
	s.Helper()
	find, begun := regexp.MustCompile(pattern), time.Now()
	for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
		if found := find.FindStringSubmatch(s.shown()); found != nil {
			tick.Stop()
			return found
		}
		if time.Since(begun) > testkit.Patience {
			s.Fatalf("%s did not appear:\n%q", pattern, s.shown())
		}
	}
}

// ends waits for the end and returns the exit code. Who does not end says where he
// stands.
func (s *screen) ends() int {
	s.Helper()
	select {
	case <-s.done:
	case <-time.After(testkit.Patience):
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
		s.cmd.Process.Signal(syscall.SIGQUIT)
		select {
		case <-s.done:
		case <-time.After(5 * time.Second):
		}
		s.Fatalf("it does not end:\n%s\n%s", s.shown(), status)
	}
	s.cmd.Wait()
	return s.cmd.ProcessState.ExitCode()
}

// On a terminal: colour, a QR code, a countdown, a greeting, a choice of team.
func TestLoginOnATerminal(t *testing.T) {
	t.Parallel()
	s := onScreen(t, "login")
	code := s.until(`shows the code \x1b\[1m([A-Z]{4}-[A-Z]{4})\x1b\[0m`)[1]
	s.until(`http://127\.0\.0\.1:\d+/activate\?user_code=` + code)
	s.until("[▀▄█]{5}")
	s.until(`the code is good for 1[45]:`)
	s.until(`the code is good for 14:5[0-8]`) // it counts
	if err := s.idp.Approve(code, "auth0|ada"); err != nil {
		t.Fatal(err)
	}
	s.until(`\x1b\[32mlogged in\x1b\[0m, ada \(ada@example\.com\)`)
	s.until(`\* 1  ada \(personal\)`)
	s.until(`Enter keeps`)
	s.keys.WriteString("nobody\n")
	s.until(`(?s)Enter keeps.*Enter keeps`)
	s.keys.WriteString("2\n")
	s.wantsNoService()
	if got := s.ends(); got != 0 {
		t.Fatalf("exit status %d\n%s", got, s.shown())
	}
	refresh, _ := readTokens(filepath.Join(s.home, env.TokenFile))
	if !s.idp.Alive(refresh) {
		t.Error("the login in the file is not alive")
	}
	if config, _ := os.ReadFile(filepath.Join(s.home, "config.toml")); !strings.Contains(string(config), `team = "acme"`) {
		t.Errorf("the config says %q", config)
	}
	if strings.Contains(s.shown(), refresh) || strings.Contains(s.shown(), "eyJ") {
		t.Error("a token was shown")
	}
}

// Ctrl-C at the question for a team ends the program; the login is kept by then.
func TestTeamQuestionIsInterrupted(t *testing.T) {
	t.Parallel()
	s := onScreen(t, "login", "--qr=never", "--no-browser")
	code := s.until(`shows the code \x1b\[1m([A-Z]{4}-[A-Z]{4})`)[1]
	if err := s.idp.Approve(code, "auth0|ada"); err != nil {
		t.Fatal(err)
	}
	s.until(`Enter keeps`)
	s.keys.WriteString("\x03")
	if got := s.ends(); got == 0 {
		t.Error("it went on")
	}
	if refresh, _ := readTokens(filepath.Join(s.home, env.TokenFile)); !s.idp.Alive(refresh) {
		t.Error("the login in the file is not alive")
	}
}

// Ctrl-C leaves everything as it was, and --qr=never shows none.
func TestLoginIsInterrupted(t *testing.T) {
	t.Parallel()
	s := onScreen(t, "login", "--qr=never", "--no-browser")
	s.until("waiting for your confirmation")
	s.keys.WriteString("\x03")
	if got := s.ends(); got != exitInterrupted {
		t.Errorf("exit status %d, want %d", got, exitInterrupted)
	}
	if !strings.Contains(s.shown(), "interrupted; nothing was changed") || strings.ContainsAny(s.shown(), "▀▄█") {
		t.Errorf("the screen says\n%q", s.shown())
	}
	if _, err := os.Stat(filepath.Join(s.home, env.TokenFile)); err == nil {
		t.Error("a token file was written")
	}
}
