//go:build linux && system

package faults

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// scene is a home with a login, its issuer, and the daemon that owns it.
type scene struct {
	*testkit.House
	dues      int // logins that dueLogin made
	bin       string
	role      string   // what is done to the daemon before it starts; "" nothing
	inPlace   bool     // the test writes the token file as the neighbours do
	unwatched bool     // the daemon has no events of the token file: it looks when it starts
	wrap      []string // the command that runs the daemon, as `strace -D …`
	attr      *syscall.SysProcAttr
	web       *http.Client // the test's own way to the issuer

	cmd *exec.Cmd // the daemon, nil while there is none
}

func newScene(t *testing.T, cfg idp.Config) *scene {
	t.Helper()
	return newSceneAt(t, testkit.StartIssuer(t, cfg))
}

// newSceneAt is for an issuer of the test's own, which ends with it.
func newSceneAt(t *testing.T, server *idp.Server) *scene {
	t.Helper()
	s := &scene{House: testkit.NewHouseOf(t, server.URL), bin: falcred, web: http.DefaultClient}
	s.IDP = server
	s.MoveTo(filepath.Join(s.Base, "home"))
	s.Must(os.Mkdir(s.Home, 0o700))
	return s
}

// socketOutside moves the socket out of the home, which is about to be broken.
func (s *scene) socketOutside() {
	s.Helper()
	run := filepath.Join(s.Base, "run")
	s.Must(os.Mkdir(run, 0o700))
	s.Sock = filepath.Join(run, "falcred.sock")
}

// start runs a daemon. It does not wait for it to serve.
func (s *scene) start() {
	s.Helper()
	args := append(slices.Clone(s.wrap), s.bin, "run")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = s.Env()
	if s.role != "" {
		cmd.Path, cmd.Args = "/proc/self/exe", []string{os.Args[0]}
		cmd.Env = append(cmd.Env, testkit.RoleVariable+"=limited", limitsVariable+"="+s.role, binaryVariable+"="+s.bin)
	}
	attr := syscall.SysProcAttr{}
	if s.attr != nil {
		attr = *s.attr
	}
	cmd.SysProcAttr = &attr
	s.cmd = s.Start(cmd)
}

// serve runs a daemon and waits until it listens.
func (s *scene) serve() {
	s.Helper()
	s.start()
	s.Eventually("the daemon listens", func() bool { return testkit.Listens(s.Sock) })
}

// kill is kill -9.
func (s *scene) kill() {
	s.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		s.Fatal("the daemon had ended by itself: ", err)
	}
	s.wantEnd(func(status syscall.WaitStatus) bool { return status.Signaled() && status.Signal() == syscall.SIGKILL })
}

// stop is SIGTERM, and the daemon must end well (S5).
func (s *scene) stop() {
	s.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.Fatal("the daemon had ended by itself: ", err)
	}
	s.wantEnd(func(status syscall.WaitStatus) bool { return status.Exited() && status.ExitStatus() == 0 })
}

func (s *scene) wantEnd(ok func(syscall.WaitStatus) bool) {
	s.Helper()
	cmd := s.cmd
	s.cmd = nil
	err := cmd.Wait()
	if status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok(status) {
		s.Fatalf("the daemon ended with %v", err)
	}
}
