//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

const (
	module   = "github.com/falcred/falcred/"
	patience = 40 * time.Second // running into it means never
	lifetime = 24 * time.Hour   // of access tokens
)

var errNever = errors.New("it never came")

// lab is a folder with the programs, a home with a login, and its issuer. The
// other side of a comparison is built here too.
type lab struct {
	rounds int
	short  bool
	apart  bool // servers have sessions of their own
	dir    string
	home   string
	issuer *idp.Server

	mu      sync.Mutex // guards what is started
	started []*exec.Cmd
}

func newLab(rounds int, short, apart bool) (l *lab, err error) {
	// Short, since a socket's path must be.
	dir, err := os.MkdirTemp("/tmp", "fb")
	if err != nil {
		return nil, err
	}
	l = &lab{rounds: rounds, short: short, apart: apart, dir: dir, home: dir + "/home"}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if err := os.Mkdir(l.home, 0o700); err != nil {
		return nil, err
	}
	if l.issuer, err = idp.Start(idp.Config{Lifetime: lifetime}); err != nil {
		return nil, err
	}
	fmt.Fprintln(os.Stderr, "building ...")
	for _, pkg := range []string{"cmd/falcred", "cmd/docker-credential-fal", "daemon/bench/testdata/empty", "daemon/bench/testdata/echo"} {
		if err := build(module+pkg, filepath.Join(dir, path.Base(pkg))); err != nil {
			return nil, err
		}
	}
	return l, l.login(0)
}

// linked is a program as the linker left it.
const linked = ".linked"

// build makes a program as the packages have it, and installs it.
func build(pkg, program string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", program+linked, pkg) // #nosec G204 -- packages of ours
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return install(program)
}

// install writes the program once more, 32 KiB at a time as dpkg does, since a file lies
// in the page cache in pieces as large as it was written in. What a linker leaves starts
// some 5 % slower; of what is written all at once, each touch counts 2 MiB as used
// memory. How a copy lies there is luck too, of up to a tenth: who measures a start
// installs again and again.
func install(program string) error {
	content, err := os.ReadFile(program + linked) // #nosec G304 -- it was made here
	if err != nil {
		return err
	}
	if err := os.Remove(program); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(program, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700) // #nosec G302 G304 -- a program, of this folder
	if err != nil {
		return err
	}
	for piece := range slices.Chunk(content, 32<<10) {
		if _, err := file.Write(piece); err != nil {
			file.Close()
			return err
		}
	}
	return file.Close()
}

func (l *lab) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, cmd := range l.started {
		cmd.Process.Kill()
		cmd.Wait()
	}
	l.started = nil
	if l.issuer != nil {
		l.issuer.Close()
	}
	os.RemoveAll(l.dir)
}

// login puts one into the home whose access token is that old. The refresh token stays
// where there is one: another login that is older would be taken for an old copy (F5).
func (l *lab) login(age time.Duration) error {
	held, _ := os.ReadFile(filepath.Join(l.home, env.TokenFile))
	refresh, _, _ := strings.Cut(string(held), "\n")
	if refresh == "" {
		refresh, _, _ = l.issuer.Login("ann")
	}
	access := l.issuer.Mint("ann", time.Now().Add(-age), lifetime)
	draft := filepath.Join(l.home, "draft")
	if err := os.WriteFile(draft, []byte(refresh+"\n"+access), 0o600); err != nil {
		return err
	}
	return os.Rename(draft, filepath.Join(l.home, env.TokenFile))
}

func (l *lab) env() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + l.dir, "FAL_HOME_DIR=" + l.home, "FALCRED_AUTOSTART=0",
		"FALCRED_ISSUER=" + l.issuer.URL, "FALCRED_CLIENT_ID=test-client",
	}
}

func (l *lab) program(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(l.dir, name), args...) // #nosec G204 -- programs that were built here
	cmd.Env, cmd.Dir = l.env(), l.dir
	return cmd
}

// serve starts a server and waits until it listens. Stop it with end.
func (l *lab) serve(cmd *exec.Cmd, socket string, core bool) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: l.apart}
	start := cmd.Start
	if core {
		start = func() error { return onOneCore(cmd.Start) }
	}
	if err := start(); err != nil {
		return err
	}
	l.mu.Lock()
	l.started = append(l.started, cmd)
	l.mu.Unlock()
	return until(func() bool {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func (l *lab) end(cmd *exec.Cmd) {
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
}

// falcred starts the daemon; it has a login to serve when this returns.
func (l *lab) falcred(core bool) (cmd *exec.Cmd, socket string, err error) {
	cmd, socket = l.program("falcred", "run"), filepath.Join(l.home, "falcred.sock")
	if err := l.serve(cmd, socket, core); err != nil {
		return nil, "", err
	}
	return cmd, socket, until(func() bool {
		_, err := ask(socket, "get https://fal.run", &protocol.Credential{})
		return err == nil
	})
}

// echo starts the limit of a comparison, which answers with as many bytes.
func (l *lab) echo(falcred string, core bool) (cmd *exec.Cmd, socket string, err error) {
	line, err := ask(falcred, "get https://fal.run", &protocol.Credential{})
	if err != nil {
		return nil, "", err
	}
	answer := filepath.Join(l.dir, "answer")
	if err := os.WriteFile(answer, []byte(line+"\n"), 0o600); err != nil {
		return nil, "", err
	}
	socket = filepath.Join(l.dir, "echo.sock")
	os.Remove(socket)
	cmd = l.program("echo", socket, answer)
	return cmd, socket, l.serve(cmd, socket, core)
}

// ask asks once, on a connection of its own.
func ask(socket, request string, answer any) (string, error) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte(request + "\n")); err != nil {
		return "", err
	}
	line, err := protocol.NewReader(c).ReadLine()
	if err != nil {
		return "", err
	}
	return line, protocol.ParseAnswer(line, answer)
}

// until polls: what is waited for happens in another process.
func until(done func() bool) error {
	for begun := time.Now(); !done(); time.Sleep(time.Millisecond) {
		if time.Since(begun) > patience {
			return errNever
		}
	}
	return nil
}

// onOneCore starts a process, and all threads that it will have, on the last core
// that this one may use.
func onOneCore(start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return err
	}
	for core := len(all)*64 - 1; core >= 0 && one.Count() == 0; core-- {
		if all.IsSet(core) {
			one.Set(core)
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	defer unix.SchedSetaffinity(0, &all)
	return start()
}

// job is what the client does, in a process of its own.
type job struct {
	Targets []target // in turns, in an order that is drawn anew each time
	Turns   int      // of each of them
	Total   int      // requests of a turn
	Conns   int
	Fresh   bool // each request on a new connection
}

// target is a server.
type target struct {
	Name    string
	Socket  string
	Request []byte
	Framed  bool // the answer begins with its length, and does not end a line
}

// result is what one turn met.
type result struct {
	P50, P99 float64 // µs
	Rate     float64 // requests a second
}

const clientRole = "client"

// measure has a client do the job, and gives each target's turns.
func (l *lab) measure(j job) (turns map[string][]result, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, clientRole, string(text)) // #nosec G204 -- this program
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := onOneCore(cmd.Start); err != nil {
		return nil, err
	}
	decoded := json.NewDecoder(out).Decode(&turns)
	return turns, errors.Join(decoded, cmd.Wait())
}
