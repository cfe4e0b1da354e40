//go:build linux && system

package attacks

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// scene is a home with a login, its issuer, and the programs that use it.
// Whatever a program prints is kept under its base, where it can be searched.
type scene struct {
	*testkit.House
	logins int
	issuer *issuer
	bin    string // folder of the programs
	uid    uint32 // who runs them

	cmd *exec.Cmd // the daemon
}

func newScene(t *testing.T, cfg idp.Config) *scene {
	t.Helper()
	issuer := newIssuer(t, cfg)
	s := &scene{House: testkit.NewHouseOf(t, issuer.URL), issuer: issuer, bin: bin}
	s.MoveTo(s.Base + "/home")
	s.More = []string{"TMPDIR=" + s.Base + "/tmp", "FALCRED_AUTOSTART=0"}
	for _, dir := range []string{s.Home, s.Base + "/tmp", s.Base + "/out"} {
		s.Must(os.Mkdir(dir, 0o700))
	}
	return s
}

// belongTo gives the whole scene to another user, who runs the programs from
// now on.
func (s *scene) belongTo(uid uint32) {
	s.Helper()
	s.uid = uid
	s.Must(filepath.Walk(s.Base, func(path string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(uid), int(uid))
	}))
}

// command is one of the programs, as the scene's user.
func (s *scene) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Env, cmd.Dir = s.Env(), s.Base
	if s.uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: s.uid, Gid: s.uid}}
	}
	return cmd
}

// exitMistake is how `falcred run` ends by a mistake of configuration (S11).
const exitMistake = 78

// sent counts the requests that had a refresh token in them. doctor sends one without.
func (s *scene) sent() (n int) {
	for _, r := range s.issuer.Requests() {
		if r.RefreshHash != "" {
			n++
		}
	}
	return n
}

// run runs one of the programs to its end.
func (s *scene) run(stdin, name string, args ...string) (out string, code int) {
	s.Helper()
	return s.finish(s.command(name, args...), stdin)
}

// finish kills what does not end by itself; its exit code is -1 then.
func (s *scene) finish(cmd *exec.Cmd, stdin string) (out string, code int) {
	s.Helper()
	var text bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &text, &text
	s.Must(cmd.Start())
	testkit.Wait(cmd)
	return text.String(), cmd.ProcessState.ExitCode()
}

// start runs a daemon. It does not wait for it to serve.
func (s *scene) start(args ...string) {
	s.Helper()
	s.launch(s.command("falcred", append([]string{"run"}, args...)...))
}

func (s *scene) launch(cmd *exec.Cmd) {
	s.Helper()
	s.cmd = s.Start(cmd)
}

// serve runs a daemon and waits until it listens.
func (s *scene) serve(args ...string) {
	s.Helper()
	s.start(args...)
	s.Eventually("the daemon listens", func() bool { return testkit.Listens(s.Sock) })
}

// end sends the daemon a signal and returns how it ended.
func (s *scene) end(signal syscall.Signal) syscall.WaitStatus {
	s.Helper()
	s.Must(s.cmd.Process.Signal(signal))
	return s.ended()
}

func (s *scene) ended() syscall.WaitStatus {
	s.Helper()
	cmd := s.cmd
	s.cmd = nil
	cmd.Wait()
	return cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// login writes a login with an access token that began `age` ago and lives for three
// hours. Each is of another account: one of the same that is older than what the daemon
// holds would be taken for an old copy (F5).
func (s *scene) login(age time.Duration) (refresh, access string) {
	s.Helper()
	sub := "ann"
	if s.logins++; s.logins > 1 {
		sub = fmt.Sprintf("ann%d", s.logins)
	}
	refresh, spare, idToken := s.issuer.Login(sub)
	access = s.issuer.Mint(sub, time.Now().Add(-age), 3*time.Hour)
	s.issuer.secrets.add(refresh, spare, idToken, access)
	s.write(refresh + "\n" + access)
	return refresh, access
}

func (s *scene) write(content string) {
	s.Helper()
	temporary := s.Base + "/login"
	s.Must(os.WriteFile(temporary, []byte(content), 0o600))
	if s.uid != 0 {
		s.Must(os.Lchown(temporary, int(s.uid), int(s.uid)))
	}
	s.Must(os.Rename(temporary, s.File))
}

func (s *scene) get() (access string, err error) {
	var got protocol.Credential
	err = s.Ask("get "+protocol.DefaultServer, &got)
	return string(got.Secret), err
}

// served waits until the login is served.
func (s *scene) served() (access string) {
	s.Helper()
	s.Eventually("the login is served", func() bool {
		var err error
		access, err = s.get()
		return err == nil
	})
	return access
}

// watched waits until the daemon has all open that it keeps open (it serves
// before it watches), and says how many descriptors that is.
func (s *scene) watched() (descriptors int) {
	s.Helper()
	s.served()
	s.Eventually("the daemon watches its home", func() bool {
		infos, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", s.cmd.Process.Pid))
		return slices.ContainsFunc(infos, func(path string) bool {
			text, _ := os.ReadFile(path)
			return bytes.Contains(text, []byte("inotify wd:"))
		})
	})
	// What our own last request opened is closed by and by: twenty looks in a row
	// see as many.
	same := 0
	s.Eventually("its descriptors stay as many", func() bool {
		now := s.descriptors()
		if now != descriptors {
			descriptors, same = now, 0
		}
		same++
		return same == 20
	})
	return descriptors
}

// wantLines wants n lines of the log that say so, and no secret in any.
func (s *scene) wantLines(n int, what string) {
	s.Helper()
	s.Eventually(fmt.Sprintf("the log says %q", what), func() bool { return n == 0 || strings.Contains(s.Logged.String(), what) })
	if got := strings.Count(s.Logged.String(), what); got != n {
		s.Errorf("the log says %q %d times, want %d", what, got, n)
	}
	if leak := s.issuer.secrets.in([]byte(s.Logged.String())); leak != "" {
		s.Errorf("the log holds %s", leak)
	}
}

// issuer is the identity provider behind a door that can answer for it, and
// that keeps every secret which passes.
type issuer struct {
	*idp.Provider
	URL     string
	secrets *secrets

	mu   sync.Mutex
	bend func(http.ResponseWriter, *http.Request) bool // answers instead, if it returns true
}

func newIssuer(t *testing.T, cfg idp.Config) *issuer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{URL: "http://" + l.Addr().String(), secrets: &secrets{}}
	if i.Provider, err = idp.New(i.URL, cfg); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: i}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return i
}

func (i *issuer) bent(bend func(http.ResponseWriter, *http.Request) bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.bend = bend
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	bend := i.bend
	i.mu.Unlock()
	if bend != nil && bend(w, r) {
		return
	}
	i.Provider.ServeHTTP(&witness{ResponseWriter: w, secrets: i.secrets}, r)
}

// server listens at a path, as a program that is no falcred.
func (s *scene) server(path string) {
	s.Helper()
	l, err := net.Listen("unix", path)
	s.Must(err)
	s.Cleanup(func() { l.Close() })
}
