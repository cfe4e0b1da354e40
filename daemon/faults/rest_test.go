//go:build linux

package faults

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
)

// While clients are served no Go timer is pending (package alarm says why): the
// runtime waits for them without a limit. A moment's wait is its own, after a
// collection.
func TestNoTimerIsPending(t *testing.T) {
	t.Parallel()
	const what = "what the daemon waits for"
	needRoot(t, what) // to attach: the daemon is nobody's to look into
	needTool(t, what, "strace")
	s := newScene(t, idp.Config{})
	refresh, access, _ := s.idp.Login("ann") // as good as new: nothing is due
	s.write(refresh + "\n" + access)
	s.serve()
	s.wantAlive()
	detach := s.strace("-e", "trace=epoll_pwait", "-o", s.tracePath())
	for range 100 {
		_, err := s.get()
		s.must(err)
	}
	detach()
	trace, err := os.ReadFile(s.tracePath())
	s.must(err)
	unlimited := 0
	for _, m := range regexp.MustCompile(`epoll_pwait\(\d+, .*, \d+, (-?\d+), NULL`).FindAllStringSubmatch(string(trace), -1) {
		switch limit, _ := strconv.Atoi(m[1]); {
		case limit < 0:
			unlimited++
		case limit >= 1000:
			t.Fatalf("it waits with a timer that is due in %d ms", limit)
		}
	}
	if unlimited == 0 {
		t.Fatalf("it has never waited: nothing is tested\n%.500s", trace)
	}
}
