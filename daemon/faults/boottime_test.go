//go:build linux && system

package faults

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// R2: a boot-time clock far ahead of the others disturbs no timer.
func TestBootTimeAhead(t *testing.T) {
	t.Parallel()
	const fault = "CLOCK_BOOTTIME 30 days ahead (time namespace)"
	table.NeedRoot(t, fault)
	table.NeedTool(t, fault, "unshare")
	s := newScene(t, idp.Config{Lifetime: 4 * time.Second})
	s.wrap = []string{"unshare", "-T", "--boottime", "2592000"}
	s.newLogin()
	s.serve()
	s.wantAlive()
	s.wantBootTimeAhead("2592000")
	refreshes := testkit.Long(2, 20)
	begun := time.Now()
	s.wantRefreshes(refreshes)
	if least := time.Duration(refreshes-1) * time.Second; time.Since(begun) < least {
		t.Errorf("%d refreshes in %v: too early", refreshes, time.Since(begun))
	}
	s.IDP.SetConfig(func(c *idp.Config) { c.Lifetime = time.Hour })
	s.wantWell()
	table.Report(t, fault, testkit.Count(refreshes, "refresh"), "all on time")
}

// wantBootTimeAhead: the daemon itself is in another time namespace than we.
func (s *scene) wantBootTimeAhead(seconds string) {
	s.Helper()
	pid := s.cmd.Process.Pid
	ours, err := os.Readlink("/proc/self/ns/time")
	s.Must(err)
	its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/time", pid))
	s.Must(err)
	offsets, err := os.ReadFile(fmt.Sprintf("/proc/%d/timens_offsets", pid))
	s.Must(err)
	if ours == its || !strings.Contains(strings.Join(strings.Fields(string(offsets)), " "), "boottime "+seconds+" ") {
		s.Fatalf("the daemon's clock is not ahead: %s, we are in %s, %q", its, ours, offsets)
	}
	s.bootAlarms()
}

// R2, R9: a daemon that stood still past the end of its token refreshes as soon
// as it goes on, once, and serves nothing stale.
func TestFrozenPastExpiry(t *testing.T) {
	t.Parallel()
	s := newScene(t, idp.Config{})
	s.serve()
	rounds := testkit.Long(2, 20)
	for range rounds {
		s.IDP.SetConfig(func(c *idp.Config) { c.Lifetime = 8 * time.Second })
		s.newLogin()
		s.wantAlive()
		stale, err := s.get()
		s.Must(err)
		expires := s.state().Expires
		s.Must(s.cmd.Process.Signal(syscall.SIGSTOP))
		s.IDP.SetConfig(func(c *idp.Config) { c.Lifetime = time.Hour }) // the next one is not due while we look
		before := s.IDP.Stats().Refreshes
		s.Eventually("the token runs out", func() bool { return time.Now().After(expires) })
		s.Must(s.cmd.Process.Signal(syscall.SIGCONT))
		if now, err := s.get(); err != nil || now == stale {
			t.Errorf("after standing still: a stale token, or %v", err)
		}
		if n := s.IDP.Stats().Refreshes - before; n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
	}
	s.wantWell()
	table.Report(t, "stopped (SIGSTOP) past the token's end, then continued", testkit.Count(rounds, "time"), "a fresh token for the first get, one refresh each")
}
