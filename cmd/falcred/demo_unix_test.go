//go:build unix

package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
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
	for name, signal := range map[string]syscall.Signal{"the terminal is closed": syscall.SIGHUP, `Ctrl-\`: syscall.SIGQUIT} {
		t.Run("--keep, and "+name, func(t *testing.T) {
			t.Parallel()
			p := keepDemo(t)
			daemon := p.dial()
			p.end(signal)
			p.hungUp(daemon)
			p.nothingLeft()
		})
	}
	t.Run("--keep, and nobody reads", demoUnread)
	t.Run("--keep, and kill -9", demoKilled)
	t.Run("--keep, without a folder of one's own", demoShared)
	t.Run("--keep, and what ends the daemon fails", demoStays)
}

// demoUnread: falcred demo --keep | head.
func demoUnread(t *testing.T) {
	t.Parallel()
	p := newKept(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	p.cmd = p.command("demo", "--keep")
	p.cmd.Stdout = write
	err = p.cmd.Run()
	write.Close()
	if err == nil || p.cmd.ProcessState.ExitCode() != exitFailure {
		t.Errorf("the demo ended with %v", p.cmd.ProcessState)
	}
	p.nothingLeft()
}

// demoKilled: the next demo ends the daemon of one that was killed, and not the daemon of one that runs.
func demoKilled(t *testing.T) {
	t.Parallel()
	dead := keepDemo(t)
	left := dead.dial()
	dead.cmd.Process.Kill()
	dead.cmd.Wait()
	alive := keepDemoAt(dead.again(t))
	alive.hungUp(left)
	if _, err := os.Stat(dead.shell["FAL_HOME_DIR"]); !os.IsNotExist(err) {
		t.Errorf("the home of the one that was killed: %v\n%s", err, alive.text)
	}
	daemon := alive.dial()
	third := keepDemoAt(dead.again(t))
	third.end(syscall.SIGINT)
	daemon.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := daemon.Read(make([]byte, 1)); !os.IsTimeout(err) {
		t.Errorf("the daemon of one that runs: %v", err)
	}
	alive.end(syscall.SIGINT)
	alive.hungUp(daemon)
	alive.nothingLeft()
}

// demoShared: a name that others can take is not put on PATH, and it is said.
func demoShared(t *testing.T) {
	t.Parallel()
	p := newKept(t)
	p.shell["HOME"], p.shell["XDG_CACHE_HOME"], p.shell["XDG_RUNTIME_DIR"] = "/dev/null", "", ""
	if err := os.Chmod(p.temporary, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	p = keepDemoAt(p)
	if strings.Contains(p.text, "export PATH") || !strings.Contains(p.text, "Others can make a folder of that name") {
		t.Errorf("it says\n%s", p.text)
	}
	p.end(syscall.SIGINT)
	p.nothingLeft()
}

// demoStays: what cannot be ended is not said to have ended, and keeps its home.
func demoStays(t *testing.T) {
	t.Parallel()
	p := newKept(t)
	p = keepDemoAt(p)
	home := p.shell["FAL_HOME_DIR"]
	p.falcred(exitOK, "falcred", "stop")
	daemon, err := net.Listen("unix", filepath.Join(home, "falcred.sock")) // one that understands nothing
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	go func() {
		for {
			conn, err := daemon.Accept()
			if err != nil {
				return
			}
			conn.Write([]byte("what?\n"))
			defer conn.Close()
		}
	}()
	p.cmd.Process.Signal(os.Interrupt)
	for p.said.Scan() {
		p.text += p.said.Text() + "\n"
	}
	if err := p.cmd.Wait(); err == nil || strings.Contains(p.text, "daemon has ended") || !strings.Contains(p.complaint.String(), "rm -r "+home) {
		t.Errorf("%v, and it said\n%s\n%s", err, p.text, p.complaint.String())
	}
	if _, err := os.Stat(home); err != nil {
		t.Error(err)
	}
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
	p.onPath()
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
	p.end(syscall.SIGINT)
	p.hungUp(second)
	p.nothingLeft()
}

// kept is a demo --keep that runs, and the shell beside it.
type kept struct {
	*testing.T
	cmd             *exec.Cmd
	said            *bufio.Scanner
	temporary, home string
	cache           string // the folder in home where the playground is
	text            string // what was printed
	complaint       bytes.Buffer
	shell           map[string]string // the environment after the printed lines
	activate        string            // the page where a login is approved
}

func keepDemo(t *testing.T, more ...string) *kept {
	t.Helper()
	return keepDemoAt(newKept(t, more...))
}

// newKept is one that does not run yet.
func newKept(t *testing.T, more ...string) *kept {
	t.Helper()
	p := &kept{T: t, temporary: testkit.ShortDir(t), home: testkit.ShortDir(t), shell: map[string]string{}}
	return p.in(append(os.Environ(), more...))
}

// again is another in the same folders.
func (p *kept) again(t *testing.T) *kept {
	other := &kept{T: t, temporary: p.temporary, home: p.home, shell: map[string]string{}}
	return other.in(os.Environ())
}

func (p *kept) in(environ []string) *kept {
	p.Helper()
	p.cache = filepath.Join(p.home, ".cache")
	if runtime.GOOS == "darwin" {
		p.cache = filepath.Join(p.home, "Library", "Caches")
	}
	if err := os.MkdirAll(p.cache, 0o700); err != nil {
		p.Fatal(err)
	}
	environ = append(environ, "TMPDIR="+p.temporary, "HOME="+p.home, "XDG_CACHE_HOME="+p.cache)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		p.shell[name] = value
	}
	return p
}

func keepDemoAt(p *kept) *kept {
	t := p.T
	t.Helper()
	p.cmd = p.command("demo", "--keep")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = &p.complaint
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
	text = regexp.MustCompile(`/\S*/falcred-demo-\d+`).ReplaceAllString(text, "/home/ada/.cache/falcred-demo-1234")
	text = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(text, "127.0.0.1:4242")
	if !strings.Contains(string(page), "```text\n"+text+"```\n") {
		p.Errorf("README.md does not show what is printed:\n%s", text)
	}
}

// onPath wants a copy of the program where the printed PATH leads: the test's own, as one of "go run", goes
// away with its folder.
func (p *kept) onPath() {
	p.Helper()
	home := p.shell["FAL_HOME_DIR"]
	if filepath.Dir(home) != p.cache {
		p.Errorf("the home is %s", home) // others can take a name in /tmp
	}
	folder := filepath.Join(home, "bin")
	if !strings.Contains(p.text, "\n   export PATH="+folder+":\"$PATH\"\n") {
		p.Errorf("no %s for PATH in\n%s", folder, p.text)
	}
	if out, err := exec.Command(filepath.Join(folder, "falcred"), "version").CombinedOutput(); err != nil {
		p.Errorf("%v: %s", err, out)
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

// end sends a signal as a terminal does, to all of a process group, and once more while the demo is
// ending, and wants that to end well.
func (p *kept) end(signal syscall.Signal) {
	p.Helper()
	syscall.Kill(-p.cmd.Process.Pid, signal)
	for p.said.Scan() {
		if p.said.Text() == "ending…" {
			syscall.Kill(-p.cmd.Process.Pid, signal)
		}
	}
	if err := p.cmd.Wait(); err != nil {
		p.Errorf("the demo ended with %v: %s", err, &p.complaint)
	}
}

func (p *kept) nothingLeft() {
	p.Helper()
	for folder, known := range map[string]int{p.temporary: 0, p.home: 1, p.cache: 0} {
		if entries, _ := os.ReadDir(folder); len(entries) > known {
			p.Errorf("it left %s in %s", entries, folder)
		}
	}
}
