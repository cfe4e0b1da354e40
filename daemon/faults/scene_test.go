//go:build linux && system

package faults

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol/env"
)

// scene is a home with a login, its issuer, and the daemon that owns it.
type scene struct {
	dues int // logins that dueLogin made
	*testing.T
	idp       *idp.Server
	base      string // its own folder, with the home in it
	home      string
	socket    string
	bin       string
	role      string   // what is done to the daemon before it starts; "" nothing
	inPlace   bool     // the test writes the token file as the neighbours do
	unwatched bool     // the daemon has no events of the token file: it looks when it starts
	wrap      []string // the command that runs the daemon, as `strace -D …`
	attr      *syscall.SysProcAttr
	extra     []string     // environment
	web       *http.Client // the test's own way to the issuer

	cmd *exec.Cmd // the daemon, nil while there is none
	log *logs     // of all daemons of the scene
}

func newScene(t *testing.T, cfg idp.Config) *scene {
	t.Helper()
	server, err := idp.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return newSceneAt(t, server)
}

// newSceneAt is for an issuer of the test's own.
func newSceneAt(t *testing.T, server *idp.Server) *scene {
	t.Helper()
	t.Cleanup(server.Close)
	// Short, since a socket's path must be.
	base, err := os.MkdirTemp("/tmp", "ff")
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{T: t, idp: server, base: base, home: filepath.Join(base, "home"), bin: falcred, web: http.DefaultClient, log: &logs{}}
	s.socket = filepath.Join(s.home, "falcred.sock")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the daemons' log, the end of it:\n%s", s.log.tail())
		}
		os.RemoveAll(base)
	})
	if err := os.Mkdir(s.home, 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

// socketOutside moves the socket out of the home, which is about to be broken.
func (s *scene) socketOutside() {
	s.Helper()
	run := filepath.Join(s.base, "run")
	if err := os.Mkdir(run, 0o700); err != nil {
		s.Fatal(err)
	}
	s.socket = filepath.Join(run, "falcred.sock")
}

func (s *scene) file() string { return filepath.Join(s.home, env.TokenFile) }

func (s *scene) env() []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + s.base,
		"FAL_HOME_DIR=" + s.home,
		"FALCRED_SOCKET=" + s.socket,
		"FALCRED_ISSUER=" + s.idp.URL,
		"FALCRED_CLIENT_ID=test-client",
		"GORACE=halt_on_error=1 atexit_sleep_ms=0",
	}, s.extra...)
}

// start runs a daemon. It does not wait for it to serve.
func (s *scene) start() {
	s.Helper()
	args := append(slices.Clone(s.wrap), s.bin, "run")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = s.env()
	if s.role != "" {
		cmd.Path, cmd.Args = "/proc/self/exe", []string{os.Args[0]}
		cmd.Env = append(cmd.Env, roleVariable+"="+s.role, binaryVariable+"="+s.bin)
	}
	cmd.Stderr = s.log
	attr := syscall.SysProcAttr{}
	if s.attr != nil {
		attr = *s.attr
	}
	cmd.SysProcAttr = &attr
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	s.cmd = cmd
	s.Cleanup(func() {
		if s.cmd == cmd {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
}

// serve runs a daemon and waits until it listens.
func (s *scene) serve() {
	s.Helper()
	s.start()
	s.until("the daemon listens", func() bool {
		c, err := net.Dial("unix", s.socket)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
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
