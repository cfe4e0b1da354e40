//go:build linux && system

package faults

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
)

// While clients are served no Go timer is pending (package alarm says why): the
// runtime waits for them without a limit.
func TestNoTimerIsPending(t *testing.T) {
	t.Parallel()
	const what = "what the daemon waits for"
	table.NeedRoot(t, what) // to attach: the daemon is nobody's to look into
	table.NeedTool(t, what, "strace")
	s := newScene(t, idp.Config{})
	refresh, access, _ := s.IDP.Login("ann") // as good as new: nothing is due
	s.write(refresh + "\n" + access)
	s.serve()
	s.wantAlive()
	s.Eventually("it waits without a limit", func() bool { // at the start it may still have something to do
		detach := s.strace("-e", "trace=epoll_pwait", "-o", s.tracePath())
		for range 100 {
			_, err := s.get()
			s.Must(err)
		}
		detach()
		trace, err := os.ReadFile(s.tracePath())
		s.Must(err)
		unlimited := 0
		for _, m := range regexp.MustCompile(`epoll_pwait\(\d+, .*, \d+, (-?\d+), NULL`).FindAllStringSubmatch(string(trace), -1) {
			switch limit, _ := strconv.Atoi(m[1]); {
			case limit < 0:
				unlimited++
			case limit > 0:
				return false
			}
		}
		return unlimited > 0
	})
}
