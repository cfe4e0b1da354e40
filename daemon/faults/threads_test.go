//go:build linux && system

package faults

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// S6, R4: not one thread more can be started, from the moment that a daemon serves: it
// refreshes, and answers a crowd, with those that it has.
func TestThreadsExhausted(t *testing.T) {
	t.Parallel()
	const clients = 64
	rounds := testkit.Long(12, 96)
	for range rounds {
		s := newScene(t, idp.Config{})
		s.ordinaryUser()
		s.SignIn("ann")
		s.Must(os.Chown(s.File, s.user(), s.user()))
		s.inPlace = true // the file stays that user's
		s.serve()
		s.noMoreThreads()
		for range 3 {
			var crowd sync.WaitGroup
			for range clients {
				crowd.Go(func() {
					if _, err := s.get(); err != nil {
						t.Error(err)
					}
				})
			}
			refresh, _, err := s.tokens()
			s.Must(err)
			before := s.IDP.Stats().Refreshes
			s.expire(refresh)
			crowd.Wait()
			s.Eventually("it is refreshed", func() bool { return s.IDP.Stats().Refreshes > before })
			s.wantAlive()
		}
		if s.stop(); t.Failed() {
			break
		}
	}
	table.Report(t, "the limit of threads (RLIMIT_NPROC) used up when the daemon serves", fmt.Sprintf("%s, 3 refreshes and %d clients each", testkit.Count(rounds, "daemon"), 3*clients),
		"0 crashed, 0 logins lost")
}

// ordinaryUser has the daemon run as one: no limit of processes holds root.
func (s *scene) ordinaryUser() {
	s.Helper()
	if os.Getuid() != 0 {
		return
	}
	s.attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(s.user()), Gid: uint32(s.user())}}
	for _, path := range []string{s.Base, s.Home} {
		s.Must(os.Chown(path, s.user(), s.user()))
	}
}

// noMoreThreads limits the running daemon. That its own user does: root may lack what it takes.
func (s *scene) noMoreThreads() {
	s.Helper()
	limit := exec.Command(table.NeedTool(s.T, "a limit of threads", "prlimit"), "--nproc=1:1", "--pid", fmt.Sprint(s.cmd.Process.Pid))
	limit.SysProcAttr = s.attr
	if out, err := limit.CombinedOutput(); err != nil {
		s.Fatalf("%v: %s", err, out)
	}
}

func (s *scene) user() int {
	if uid := os.Getuid(); uid != 0 {
		return uid
	}
	return 12345
}
