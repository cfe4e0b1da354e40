//go:build linux && system

package faults

import (
	"fmt"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// R3, R4, S5: restarts by SIGTERM and by kill -9, with a fresh token and with
// one that has run out, and exactly one refresh for each of the latter.
func TestRestarts(t *testing.T) {
	s := newScene(t, idp.Config{})
	s.newLogin()
	s.serve()
	s.wantAlive()
	restarts, refreshes := testkit.Long(50, 1000), 1
	for i := range restarts {
		if i%2 == 0 {
			s.stop()
		} else {
			s.kill()
		}
		if i%5 == 0 {
			refresh, _, err := s.tokens()
			s.Must(err)
			s.login(refresh)
			refreshes++
		}
		s.serve()
		s.wantAlive()
		if got := s.IDP.Stats(); got.TokenRequests != refreshes || got.ReuseDetections != 0 {
			t.Fatalf("restart %d: the issuer was asked %d times, want %d, and saw %d reuses", i, got.TokenRequests, refreshes, got.ReuseDetections)
		}
	}
	s.wantWell()
	table.Report(t, "restarted, by SIGTERM and kill -9 in turn", testkit.Count(restarts, "restart"),
		fmt.Sprintf("0 logins lost, %s as expected", testkit.Count(refreshes, "refresh")))
}
