//go:build linux && system

package faults

import (
	"fmt"
	"net"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// S6: silent connections take every place there is; the descriptors of a
// refresh are not among them.
func TestDescriptorsExhausted(t *testing.T) {
	const silent = 300
	for _, limit := range []int{40, 104, 256} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, idp.Config{})
			s.role = fmt.Sprintf("nofile=%d", limit)
			s.newLogin()
			s.serve()
			s.wantAlive()
			var conns []net.Conn
			for range silent {
				c, err := net.Dial("unix", s.Sock)
				s.Must(err)
				defer c.Close()
				conns = append(conns, c)
			}
			s.Eventually("the daemon turns clients away", func() bool {
				_, err := s.get()
				return err != nil
			})
			refreshes := testkit.Long(5, 100)
			s.refreshQuietly(refreshes)
			if refresh, _, err := s.tokens(); err != nil || !s.IDP.Alive(refresh) {
				t.Errorf("the login was lost: %v", err)
			}
			for _, c := range conns {
				c.Close()
			}
			s.wantWell()
			table.Report(t, fmt.Sprintf("RLIMIT_NOFILE %d and %d silent connections", limit, silent),
				testkit.Count(refreshes, "refresh"), "all succeeded; clients were turned away instead, and served afterwards")
		})
	}
}
