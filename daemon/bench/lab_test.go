//go:build linux

package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

const lifetime = 24 * time.Hour // of access tokens

var bin string // the folder with the programs, once they are built

func TestMain(m *testing.M) {
	// A daemon that a helper started becomes a child of this process.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(bin)
	os.Exit(code)
}

// built makes the programs as the packages have them.
var built = sync.OnceValue(func() (err error) {
	if bin, err = os.MkdirTemp("", "falcred-bench"); err != nil {
		return err
	}
	for _, pkg := range []string{"cmd/falcred", "cmd/docker-credential-fal", "daemon/bench/testdata/empty", "daemon/bench/testdata/echo"} {
		program := filepath.Join(bin, path.Base(pkg))
		if err := testkit.Build("", program+linked, "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "github.com/falcred/falcred/"+pkg); err != nil {
			return err
		}
		if err := testkit.Install(program+linked, program); err != nil {
			return err
		}
	}
	return nil
})

// linked is a program as the linker left it.
const linked = ".linked"

// lab is a home with a login, its issuer, and what a benchmark runs on them. All of it
// ends with the benchmark.
type lab struct {
	*testing.B
	dir, home string
	issuer    *idp.Server
	env       []string
}

func newLab(b *testing.B) *lab {
	b.Helper()
	if err := built(); err != nil {
		b.Fatal(err)
	}
	l := &lab{B: b, dir: b.TempDir(), issuer: testkit.StartIssuer(b, idp.Config{Lifetime: lifetime})}
	l.home = filepath.Join(l.dir, "home")
	testkit.Must(b, os.Mkdir(l.home, 0o700))
	l.write("question", "https://fal.run\n")
	l.login(0)
	l.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + l.dir, "FAL_HOME_DIR=" + l.home, "FALCRED_AUTOSTART=0",
		"FALCRED_ISSUER=" + l.issuer.URL, "FALCRED_CLIENT_ID=test-client",
	}
	return l
}

func (l *lab) write(name, content string) (file string) {
	l.Helper()
	file = filepath.Join(l.dir, name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		l.Fatal(err)
	}
	return file
}

// login puts one into the home whose access token is that old. The refresh token stays
// where there is one: another login that is older would be taken for an old copy (F5).
func (l *lab) login(age time.Duration) (content string) {
	l.Helper()
	refresh, _, _ := strings.Cut(l.held(), "\n")
	if refresh == "" {
		refresh, _, _ = l.issuer.Login("ann")
	}
	content = refresh + "\n" + l.issuer.Mint("ann", time.Now().Add(-age), lifetime)
	if err := os.Rename(l.write("draft", content), l.tokenFile()); err != nil {
		l.Fatal(err)
	}
	return content
}

func (l *lab) tokenFile() string { return filepath.Join(l.home, "auth0_token") }

func (l *lab) held() string {
	content, _ := os.ReadFile(l.tokenFile()) // "" where there is none yet
	return string(content)
}

func (l *lab) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Dir = l.env, l.dir
	return cmd
}

// exec times a program that is asked for fal.run, in µs.
func (l *lab) exec(program string, args ...string) float64 {
	l.Helper()
	question, err := os.Open(filepath.Join(l.dir, "question"))
	if err != nil {
		l.Fatal(err)
	}
	defer question.Close()
	cmd := l.command(filepath.Join(bin, program), args...)
	cmd.Stdin = question
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		l.Fatalf("%s: %v", program, err)
	}
	return micro(time.Since(begun))
}

// serve starts a server and waits until it listens.
func (l *lab) serve(socket, program string, args ...string) {
	l.Helper()
	cmd := l.command(program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	l.until(func() bool { return testkit.Listens(socket) })
}

func (l *lab) daemonSocket() string { return filepath.Join(l.home, "falcred.sock") }

// falcred starts the daemon; it has a login to serve when this returns.
func (l *lab) falcred() server {
	l.Helper()
	socket := l.daemonSocket()
	l.serve(socket, filepath.Join(bin, "falcred"), "run")
	l.until(func() bool { return strings.HasPrefix(l.ask(socket, getRequest), `{"ServerURL"`) })
	return server{socket: socket, request: getRequest}
}

// stopStarted stops the daemon that a helper started.
func (l *lab) stopStarted() {
	l.Helper()
	pid := l.status().PID
	syscall.Kill(pid, syscall.SIGTERM)
	if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
		l.Fatal(err)
	}
}

// echo starts the limit of a comparison, which answers with as many bytes as falcred.
func (l *lab) echo(falcred server) server {
	l.Helper()
	socket := filepath.Join(l.dir, "echo.sock")
	l.serve(socket, filepath.Join(bin, "echo"), socket, l.write("answer", l.ask(falcred.socket, getRequest)))
	return server{socket: socket, request: getRequest}
}

// sshAgent starts one that has one key, and is asked for the list of them. Where it is
// not installed, there is no socket; CI has it.
func (l *lab) sshAgent() server {
	l.Helper()
	if _, err := exec.LookPath("ssh-agent"); err != nil {
		if os.Getenv("CI") != "" {
			l.Fatal(err)
		}
		l.Log("not run:", err)
		return server{}
	}
	socket := filepath.Join(l.dir, "agent.sock")
	l.serve(socket, "ssh-agent", "-D", "-a", socket)
	key := filepath.Join(l.dir, "key")
	for _, line := range [][]string{{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key}, {"ssh-add", "-q", key}} {
		cmd := l.command(line[0], line[1:]...)
		cmd.Env = append(cmd.Env, "SSH_AUTH_SOCK="+socket)
		if out, err := cmd.CombinedOutput(); err != nil {
			l.Fatalf("%v: %s", err, out)
		}
	}
	return server{socket: socket, request: "\x00\x00\x00\x01\x0b", framed: true} // SSH_AGENTC_REQUEST_IDENTITIES
}

// pin keeps this process, and what it starts, on the last core that it may use: with
// more than one, what is measured is where the scheduler puts them.
func (l *lab) pin() {
	l.Helper()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		l.Fatal(err)
	}
	for core := len(all)*64 - 1; one.Count() == 0; core-- {
		if all.IsSet(core) {
			one.Set(core)
		}
	}
	keepTo := func(cores *unix.CPUSet) {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			l.Fatal(err)
		}
		for _, thread := range threads {
			id, _ := strconv.Atoi(thread.Name())
			unix.SchedSetaffinity(id, cores) // new threads inherit it; one that is gone needs none
		}
	}
	procs := runtime.GOMAXPROCS(1)
	keepTo(&one)
	l.Cleanup(func() {
		keepTo(&all)
		runtime.GOMAXPROCS(procs)
	})
}

// ask asks once, on a connection of its own, and gives the line of the answer.
func (l *lab) ask(socket, request string) string {
	l.Helper()
	line, err := testkit.AskLine(socket, strings.TrimSuffix(request, "\n"))
	testkit.Must(l, err)
	return line + "\n"
}

// status is what of the daemon's answer to status is needed here.
func (l *lab) status() (s struct{ PID, Clients int }) {
	l.Helper()
	if err := json.Unmarshal([]byte(l.ask(l.daemonSocket(), "status\n")), &s); err != nil {
		l.Fatal(err)
	}
	return s
}

// until polls: what is waited for happens in another process.
func (l *lab) until(done func() bool) {
	l.Helper()
	testkit.Eventually(l, "what another process does", done)
}

// memory is what a process has for itself, in KiB: not the pages of the program's file,
// which are the system's to take.
func (l *lab) memory(pid int) float64 {
	l.Helper()
	return float64(l.proc(fmt.Sprintf("/proc/%d/status", pid), "RssAnon"))
}

// wakeUps is how often a process has woken within that time: how many stretches of tenths
// of seconds had a thread of it give up the processor.
func (l *lab) wakeUps(pid int, watch time.Duration) (n int) {
	l.Helper()
	before, awake := l.switches(pid), false
	for begun := time.Now(); time.Since(begun) < watch; {
		time.Sleep(100 * time.Millisecond)
		now := l.switches(pid)
		if now != before && !awake {
			n++
		}
		before, awake = now, now != before
	}
	return n
}

// switches is how often the threads of a process have given up the processor.
func (l *lab) switches(pid int) (total int) {
	l.Helper()
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, thread := range threads {
		total += l.proc(thread, "voluntary_ctxt_switches")
	}
	return total
}

func (l *lab) proc(file, line string) int {
	l.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		l.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^` + line + `:\s+(\d+)`).FindSubmatch(text)
	if found == nil {
		l.Fatalf("%s has no %s", file, line)
	}
	n, _ := strconv.Atoi(string(found[1]))
	return n
}
