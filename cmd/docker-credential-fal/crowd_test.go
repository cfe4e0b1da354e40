package main_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// rounds is how often each crowd is let loose.
func rounds(n int) int { return max(n/oneIn, 2) }

// crowd runs n helpers at once, each asking the next of the daemons. It
// returns how many failed.
func (s *stage) crowd(n int, sockets []string, change func(*exec.Cmd)) (secrets map[string]int, failures int) {
	var mu sync.Mutex
	secrets = map[string]int{}
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			c, err := s.run(sockets[i%len(sockets)], protocol.DefaultServer, change, "get").credential()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failures++
				if failures == 1 {
					s.Error("helper: ", err)
				}
				return
			}
			secrets[string(c.Secret)]++
		})
	}
	all.Wait()
	return secrets, failures
}

// round lets n helpers meet a token that has run out. Where held, the refresh
// is kept waiting until all of them wait for it.
func (s *stage) round(n int, sockets []string, held, inPlace bool) (failures int) {
	s.Helper()
	before := s.IDP.Stats().TokenRequests
	refresh, previous := s.tokens()
	hold := idp.NewHold()
	if held {
		s.IDP.Inject(hold.Before())
	}
	s.expired(refresh, inPlace)
	var opener sync.WaitGroup
	if held {
		<-hold.Arrived
		s.Eventually("all daemons know that it ran out", func() bool { return s.allExpired(sockets) })
		opener.Go(func() {
			// Well under the 7 s that falcred waits (R7): a slow machine makes
			// the test weaker, not wrong.
			testkit.Within(3*time.Second, func() bool { return s.waiting(sockets) >= n })
			close(hold.Release)
		})
	}
	secrets, failures := s.crowd(n, sockets, nil)
	opener.Wait()
	access := s.settled(sockets)
	// Where nothing was held, a daemon may not have seen the file's change yet,
	// and answers with the token that it has: that one has a day to live.
	if good := secrets[access] + secrets[previous]; good != n-failures || held && secrets[previous] != 0 {
		s.Errorf("%d helpers got %d different tokens: %d the file's, %d the one before", n, len(secrets), secrets[access], secrets[previous])
	}
	if got := s.IDP.Stats().TokenRequests - before; got != 1 {
		s.Errorf("%d helpers: %d refreshes in one round, want 1", n, got)
	}
	return failures
}

// settled waits until every daemon serves what the file holds, and that has not
// run out. Where another daemon has refreshed, it takes a file event.
func (s *stage) settled(sockets []string) (access string) {
	s.Helper()
	s.Eventually("all daemons serve a fresh token, the file's", func() bool {
		_, access = s.tokens()
		for _, socket := range sockets {
			if c, err := s.get(socket); err != nil || string(c.Secret) != access || !c.Expires.After(time.Now()) {
				return false
			}
		}
		return true
	})
	return access
}

func (s *stage) allExpired(sockets []string) bool {
	for _, socket := range sockets {
		if status, err := s.status(socket); err != nil || status.Expires.After(time.Now()) {
			return false
		}
	}
	return true
}

// waiting counts the clients of all daemons, our question not among them.
func (s *stage) waiting(sockets []string) (clients int) {
	for _, socket := range sockets {
		if status, err := s.status(socket); err == nil {
			clients += status.Connections - 1
		}
	}
	return clients
}

// R1, R3: N scripts at once with a token that has run out make one refresh,
// with one daemon and with several that share the home.
func TestCrowdsMakeOneRefresh_R1_R3(t *testing.T) {
	sizes := []int{2, 8, 32, 200}
	if testkit.Wine() {
		sizes = sizes[:3] // it takes some 0.1 s of a processor to start a program
	}
	for _, daemons := range []int{1, 4} {
		for _, n := range sizes {
			t.Run(fmt.Sprintf("%d daemons, %d helpers", daemons, n), func(t *testing.T) {
				s := newStage(t, idp.Config{})
				refresh, _, _ := s.IDP.Login("ann")
				s.expired(refresh, false)
				var sockets []string
				for i := range daemons {
					sockets = append(sockets, filepath.Join(s.Home, fmt.Sprintf("%d.sock", i)))
					s.daemon(sockets[i])
				}
				s.settled(sockets)
				s.rounds(n, sockets)
			})
		}
	}
}

func (s *stage) rounds(n int, sockets []string) {
	begun, failures := time.Now(), 0
	before := s.IDP.Stats().TokenRequests
	count := rounds(20)
	for i := range count {
		failures += s.round(n, sockets, i%2 == 0, i%4 < 2)
		if s.Failed() {
			break
		}
	}
	stats := s.IDP.Stats()
	s.Logf("%d daemons, %d rounds of %d helpers: %d failures, %d refreshes, %d reuse detections, %v",
		len(sockets), count, n, failures, stats.TokenRequests-before, stats.ReuseDetections, time.Since(begun).Round(time.Millisecond))
	// Also what came late, after a round had been counted.
	if got := stats.TokenRequests - before; got != count {
		s.Errorf("%d refreshes in %d rounds", got, count)
	}
	if stats.ReuseDetections != 0 {
		s.Errorf("%d reuse detections", stats.ReuseDetections)
	}
	if refresh, _ := s.tokens(); !s.IDP.Alive(refresh) {
		s.Error("the login is dead")
	}
}
