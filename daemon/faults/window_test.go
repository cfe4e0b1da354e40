//go:build linux && system

package faults

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// S5: with an issuer that grants no overlap, a login is lost by a kill between
// the issuer's commit and our fsync of its answer. This is how long that is:
// from the moment that the issuer notes as its decision, to the return of the
// fsync in strace's record. The issuer's signing of the new tokens, some
// milliseconds, lies in it.
func TestWindowBetweenCommitAndFsync(t *testing.T) {
	const fault = "from the issuer's commit to our fsync of its answer"
	table.NeedRoot(t, fault) // to trace: the daemon is nobody's to look into (S4)
	table.NeedTool(t, fault, "strace")
	s := newScene(t, idp.Config{})
	s.bin = plain // a race detector's microseconds say nothing
	// Stopped at these calls only, so that strace adds little. With -D it is the
	// daemon that is our child.
	s.wrap = []string{"strace", "-D", "-q", "-f", "--seccomp-bpf", "-ttt", "-T", "-y", "-o", s.tracePath(), "-e", "trace=pwrite64,fsync"}
	answers := make(chan time.Time, 1000)
	s.IDP.SetFault(&idp.Fault{Name: "time stamp", After: func(context.Context) error {
		answers <- time.Now()
		return nil
	}})
	s.newLogin()
	s.serve()
	s.wantAlive()
	<-answers
	before := s.refreshQuietly(testkit.Long(30, 300))
	s.wantWell()
	s.stop()
	s.Eventually("strace ends", func() bool {
		text, err := os.ReadFile(s.tracePath())
		return err == nil && strings.Contains(string(text), "+++ exited with 0 +++")
	})
	text, err := os.ReadFile(s.tracePath())
	if err != nil {
		t.Fatal(err)
	}
	calls := parseCalls(string(text))
	var toWrite, toFsync, ours []time.Duration
	for _, refresh := range before {
		committed := s.committed(refresh)
		write, sync := recorded(t, calls, committed)
		toWrite = append(toWrite, write.ended.Sub(committed))
		toFsync = append(toFsync, sync.ended.Sub(committed))
		ours = append(ours, sync.ended.Sub(<-answers))
	}
	table.Report(t, fault, testkit.Count(len(before), "refresh"), spread(toFsync)+"; to the write of it "+spread(toWrite)+
		"; to the fsync from the moment that the issuer answers, its signing done, "+spread(ours))
}

// refreshQuietly refreshes n times, with nothing in the way, and returns the
// refresh tokens that were used up.
func (s *scene) refreshQuietly(n int) (spent []string) {
	s.Helper()
	for range n {
		refresh, _, err := s.tokens()
		if err != nil {
			s.Fatal(err)
		}
		spent = append(spent, refresh)
		s.expire(refresh)
		s.Eventually("the refresh ends", func() bool {
			now, _, err := s.tokens()
			return err == nil && now != refresh && len(s.places()) == 0
		})
	}
	return spent
}

// committed is when the issuer rotated that refresh token.
func (s *scene) committed(refresh string) time.Time {
	s.Helper()
	sum := sha256.Sum256([]byte(refresh))
	for _, r := range s.IDP.Requests() {
		if r.RefreshHash == hex.EncodeToString(sum[:]) && r.Outcome == "rotated" {
			return r.Decided
		}
	}
	s.Fatal("a refresh is not in the issuer's record")
	return time.Time{}
}

// recorded finds the first write into a place after the commit, and the fsync
// that makes it durable.
func recorded(t *testing.T, calls []call, committed time.Time) (write, sync call) {
	t.Helper()
	for i, c := range calls {
		if c.name != "pwrite64" || !strings.Contains(c.args, placePrefix) || c.begun.Before(committed) {
			continue
		}
		place, _, _ := strings.Cut(c.args, ",")
		for _, next := range calls[i+1:] {
			if next.name == "fsync" && strings.HasPrefix(next.args, place) && !next.ended.IsZero() {
				return c, next
			}
		}
	}
	t.Fatal("an answer was not written and fsynced after the issuer's commit")
	return call{}, call{}
}

func spread(spans []time.Duration) string {
	slices.Sort(spans)
	middle, last := spans[len(spans)/2], spans[len(spans)-1]
	return fmt.Sprintf("%s µs (median), %s µs (max)", testkit.Count(int(middle.Microseconds()), ""), testkit.Count(int(last.Microseconds()), ""))
}
