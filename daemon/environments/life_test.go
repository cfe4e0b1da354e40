//go:build linux && system

package environments

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"golang.org/x/sys/unix"
)

// promptly is how long a program may take to say that something is forbidden.
const promptly = 10 * time.Second

// world is one environment, with an issuer and a home in it.
type world struct {
	*testkit.House
	runtime string   // XDG_RUNTIME_DIR; "" for none
	uid     int      // who lives there
	vars    []string // further variables, and those that are unset: "HOME" without a value
	wrap    []string // what runs each program: `prlimit --nofile=14`
	slow    bool     // whatever is asked may take its time

	daemons []int // that were seen, by their numbers here
}

func newWorld(t *testing.T) *world {
	t.Helper()
	server := testkit.StartIssuer(t, idp.Config{AutoApprove: true, Interval: time.Second})
	w := &world{House: testkit.NewHouseOf(t, server.URL), uid: os.Getuid()}
	w.IDP = server
	w.MoveTo(filepath.Join(w.Base, "fal"))
	t.Cleanup(w.killAll)
	return w
}

// as has another user live there, to whom the base is given.
func (w *world) as(uid int) {
	w.Helper()
	testkit.NeedRoot(w.T)
	w.uid = uid
	w.Must(os.Chown(w.Base, uid, uid))
}

// owns gives a path, and what is below it, to whoever lives there.
func (w *world) owns(path string) {
	w.Helper()
	w.Must(filepath.WalkDir(path, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, w.uid, w.uid)
	}))
}

// folder makes one of that user's in the base.
func (w *world) folder(name string) string {
	w.Helper()
	path := filepath.Join(w.Base, name)
	w.Must(os.Mkdir(path, 0o700))
	w.Must(os.Lchown(path, w.uid, w.uid))
	return path
}

// runtimeFolder is a second place for the socket.
func (w *world) runtimeFolder() {
	w.Helper()
	w.runtime = w.folder("run")
}

// outcome is what a program has said.
type outcome struct {
	out, err string
	code     int
	took     time.Duration
}

func (o outcome) String() string {
	return fmt.Sprintf("exit %d after %v: %.200q, %.600q", o.code, o.took.Round(time.Millisecond), o.out, o.err)
}

// run runs one of the programs as that user would.
func (w *world) run(stdin, program string, args ...string) (o outcome) {
	w.Helper()
	line := append(append(slices.Clone(w.wrap), filepath.Join(bin, program)), args...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdin = "/", w.environ(), strings.NewReader(stdin)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if w.uid != os.Getuid() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(w.uid), Gid: uint32(w.uid)}
	}
	begun := time.Now()
	w.Must(cmd.Start())
	testkit.Wait(cmd)
	o = outcome{out.String(), complaints.String(), cmd.ProcessState.ExitCode(), time.Since(begun)}
	fmt.Fprintf(w.Logged, "%s %s: %s\n", program, strings.Join(args, " "), o)
	return o
}

// environ is all that a program knows. FALCRED_SOCKET is not in it: where the socket is has
// to be found out.
func (w *world) environ() []string {
	vars := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.Base, "FAL_HOME_DIR=" + w.Home, "FALCRED_ISSUER=" + w.Issuer, "FALCRED_CLIENT_ID=test-client"}
	if w.runtime != "" {
		vars = append(vars, "XDG_RUNTIME_DIR="+w.runtime)
	} else {
		vars = append(vars, "XDG_RUNTIME_DIR=") // nor systemd's
	}
	for _, v := range w.vars {
		name, _, given := strings.Cut(v, "=")
		vars = slices.DeleteFunc(vars, func(have string) bool { return strings.HasPrefix(have, name+"=") })
		if given {
			vars = append(vars, v)
		}
	}
	return vars
}

// get is `docker-credential-fal get`, which starts a daemon where none runs.
func (w *world) get(rejected string) (secret string, o outcome) {
	w.Helper()
	query, err := json.Marshal(map[string]string{"ServerURL": protocol.DefaultServer, "Rejected": rejected})
	w.Must(err)
	o = w.run(string(query), "docker-credential-fal", "get")
	w.seen()
	var got protocol.Credential
	json.Unmarshal([]byte(o.out), &got)
	return string(got.Secret), o
}

// serving is the number of the daemon that serves, by the kernel's word, or 0.
func (w *world) serving() (pid int) {
	places := []string{filepath.Join(w.Home, "falcred.sock")}
	if w.runtime != "" {
		places = append(places, filepath.Join(w.runtime, "falcred.sock"))
	}
	for _, path := range places {
		c, err := net.Dial("unix", path)
		if err != nil {
			continue
		}
		raw, _ := c.(*net.UnixConn).SyscallConn()
		raw.Control(func(fd uintptr) {
			if peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
				pid = int(peer.Pid)
			}
		})
		c.Close()
		return pid
	}
	return 0
}

// seen notes the daemon that serves.
func (w *world) seen() {
	if pid := w.serving(); pid != 0 && !slices.Contains(w.daemons, pid) {
		w.daemons = append(w.daemons, pid)
	}
}

// kill ends the daemon that serves, and waits for its end.
func (w *world) kill(signal syscall.Signal) {
	w.Helper()
	pid := w.serving()
	if pid == 0 {
		w.Fatal("no daemon serves")
	}
	w.Must(syscall.Kill(pid, signal))
	w.Eventually("the daemon has ended", func() bool { return gone(pid) })
}

// gone says whether a process has ended, and lets it go: it may be our child by now, or that
// of a first process that waits for none.
func gone(pid int) bool {
	syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err != nil || bytes.Contains(status, []byte("\nState:\tZ"))
}

func (w *world) killAll() {
	for _, pid := range w.daemons {
		if !gone(pid) {
			syscall.Kill(pid, syscall.SIGKILL)
			testkit.Within(promptly, func() bool { return gone(pid) })
		}
	}
}

// logIn is `falcred login`.
func (w *world) logIn() {
	w.Helper()
	if o := w.run("", "falcred", "login", "--no-browser", "--qr=never"); o.code != 0 {
		w.Fatalf("login: %s", o)
	}
}

// write is another program's login, which needs nothing of falcred.
func (w *world) write() (refresh, access string) {
	w.Helper()
	if _, err := os.Lstat(w.Home); err != nil {
		w.Must(os.Mkdir(w.Home, 0o700))
		w.Must(os.Lchown(w.Home, w.uid, w.uid))
	}
	refresh, access = w.SignIn("ann")
	w.Must(os.Chown(w.File, w.uid, w.uid))
	return refresh, access
}

// wantServed wants the file's token from whoever serves, and a daemon that is started for it
// where none does.
func (w *world) wantServed() (access string) {
	w.Helper()
	_, access, err := w.Tokens()
	w.Must(err)
	got, o := w.get("")
	if got == "" || got != access {
		w.Fatalf("the login is not served: %s", o)
	}
	if o.took > promptly && !w.slow {
		w.Errorf("a start on demand took %v", o.took)
	}
	return access
}

// wantRotated forces a refresh, and wants what came of it served and kept.
func (w *world) wantRotated(access string) {
	w.Helper()
	got, o := w.get(access)
	if got == "" || got == access {
		w.Fatalf("a forced refresh: %s", o)
	}
	if refresh, now, err := w.Tokens(); err != nil || now != got || !w.IDP.Alive(refresh) {
		w.Fatalf("the file does not hold the living login: %v", err)
	}
}

// live is the whole life of a login.
func live(w *world) {
	w.Helper()
	w.logIn()
	w.wantRotated(w.wantServed())
	w.kill(syscall.SIGKILL)
	access := w.wantServed()
	refresh, _, err := w.Tokens()
	w.Must(err)
	if !w.IDP.Alive(refresh) || access == "" {
		w.Fatal("the login was lost")
	}
	if o := w.run("", "falcred", "logout"); o.code != 0 {
		w.Fatalf("logout: %s", o)
	}
	if w.IDP.Alive(refresh) || !testkit.Gone(w.File) {
		w.Error("it is not logged out")
	}
	w.kill(syscall.SIGTERM)
	w.wantNothingLeft()
}

// meant are the files that falcred keeps: in a home, and in a socket's folder.
var meant = []string{"falcred.json", "falcred.consumed", "falcred.history", ".portalock", "falcred.sock.lock", "falcred.sock.start"}

// wantNothingLeft wants no process, and no file but those that are meant to be.
func (w *world) wantNothingLeft(more ...string) {
	w.Helper()
	for _, pid := range w.daemons {
		if !gone(pid) {
			w.Errorf("process %d was left behind", pid)
		}
	}
	for _, folder := range []string{w.Home, w.runtime} {
		entries, _ := os.ReadDir(folder)
		for _, entry := range entries {
			if folder != "" && !slices.Contains(meant, entry.Name()) && !slices.Contains(more, entry.Name()) {
				w.Errorf("left behind: %s", filepath.Join(folder, entry.Name()))
			}
		}
	}
}

// serveOnly is the life where nothing can be written: the login is served, and not
// refreshed, in words that name why; its token is used up by nobody.
func serveOnly(words string) func(w *world) {
	return func(w *world) {
		w.Helper()
		refresh, access, err := w.Tokens()
		w.Must(err)
		if w.wantServed() != access {
			w.Error("another token is served")
		}
		if got, o := w.get(access); got != access || o.took > promptly && !w.slow { // what is good is served (R9)
			w.Errorf("a refresh that cannot be: %s", o)
		}
		for _, command := range []string{"status", "doctor"} {
			if o := w.run("", "falcred", command); !strings.Contains(strings.ToLower(o.out), words) {
				w.Errorf("%s does not say %q:\n%s", command, words, o.out)
			}
		}
		w.wantServed()
		w.kill(syscall.SIGKILL)
		w.wantServed()
		if !w.IDP.Alive(refresh) || w.IDP.Stats().Refreshes > 0 {
			w.Error("the token was used up")
		}
		w.kill(syscall.SIGTERM)
		w.wantNothingLeft(env.TokenFile, "filler")
	}
}

// noMemory is in the words of Go's runtime, which then ends every program before its first line.
const noMemory = "memory"

// refused is where nobody can serve: that is said in those words, at once, and no daemon
// stays.
func refused(words string) func(w *world) {
	return func(w *world) {
		w.Helper()
		refresh, _ := w.write()
		got, o := w.get("")
		if got != "" || o.code == 0 || o.took > promptly || !strings.Contains(o.out+o.err, words) {
			w.Errorf("a get that cannot be: %s, want %q", o, words)
		}
		if o := w.run("", "falcred", "run"); o.code == 0 || o.took > promptly || !strings.Contains(o.err, words) {
			w.Errorf("falcred run: %s, want %q", o, words)
		}
		if o := w.run("", "falcred", "doctor"); words != noMemory && (o.code != 2 || !strings.Contains(o.out, words)) {
			w.Errorf("falcred doctor does not say %q: %s\n%s", words, o, o.out)
		}
		if pid := w.serving(); pid != 0 || !w.IDP.Alive(refresh) {
			w.Errorf("process %d serves; the login is alive: %v", pid, w.IDP.Alive(refresh))
		}
		w.wantNothingLeft(env.TokenFile)
	}
}
