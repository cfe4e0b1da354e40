//go:build linux || darwin

package login

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// held is a login whose file has been read, and that nobody watches or refreshes.
func held(t testing.TB) (*idp.Server, openedManager) {
	t.Helper()
	home := t.TempDir()
	issuer, m := opened(t, home, idp.Config{Lifetime: 24 * time.Hour}, nil)
	refresh, access, _ := issuer.Login("ann")
	mustWriteTokens(t, home, refresh, access)
	m.reconcile()
	return issuer, m
}

// R2: an answer says by the wall clock when it runs out, and is made anew when that was
// set, or the machine slept: until then it is not given. It is ready for all of the time
// in which the token is good.
func TestReadyEndsWithTheClock_R2(t *testing.T) {
	_, m := held(t)
	query := protocol.Query{ServerURL: protocol.DefaultServer}
	s, now := m.Snapshot(), clock.Now()
	if s.Ready(query, now) == nil || s.Ready(query, now.Add(12*time.Hour)) == nil || s.Ready(query, now.Add(24*time.Hour)) != nil {
		t.Fatal("the answer is not ready for the token's life")
	}
	answer := s.answer
	for _, jump := range []time.Duration{-time.Hour, -2 * time.Second, 2 * time.Second, time.Hour} {
		set := *s
		set.changed = make(chan struct{})
		set.answer = &Answer{Credential: answer.Credential}
		set.answer.Expires = answer.Expires.Add(jump)
		if set.Ready(query, now) != nil {
			t.Errorf("ready after a jump of %v", jump)
		}
		m.snapshot.Store(&set)
		got, err := m.Get(t.Context(), query)
		if err != nil || got.Expires.Sub(answer.Expires).Abs() > time.Second {
			t.Errorf("after a jump of %v: %v, %v", jump, got, err)
		}
	}
}

// A get takes no lock: it is answered while somebody holds it.
func TestGetTakesNoLock(t *testing.T) {
	_, m := held(t)
	m.mu.Lock()
	defer m.mu.Unlock()
	answered := make(chan error, 1)
	go func() {
		_, err := m.Get(context.Background(), protocol.Query{ServerURL: protocol.DefaultServer})
		answered <- err
	}()
	select {
	case err := <-answered:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(testkit.Patience):
		t.Error("a get waits for the lock")
	}
}

// BenchmarkWaiters is the time from the issuer's answer until 10,000 who wait for
// one refresh have its token (R1), beside that of one: the token's way to the disk
// is in both. The least that Go can do is to wake as many who wait for a channel.
func BenchmarkWaiters(b *testing.B) {
	for _, many := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("refresh/%d", many), func(b *testing.B) { benchmarkWaiters(b, many) })
	}
	b.Run("channel/10000", func(b *testing.B) {
		var took []time.Duration
		for b.Loop() {
			done := make(chan struct{})
			took = append(took, release(10_000, func() { <-done }, func() {}, func() { close(done) }))
		}
		reportMedian(b, took)
	})
}

func benchmarkWaiters(b *testing.B, many int) {
	query := protocol.Query{ServerURL: protocol.DefaultServer}
	issuer, m := held(b)
	var took []time.Duration
	for b.Loop() {
		hold := idp.NewHold()
		issuer.Inject(hold.After())
		// Another login that is older would be taken for an old copy (F5).
		mustWriteTokens(b, m.cfg.Home, m.Snapshot().State.Tokens.Refresh, issuer.Mint("ann", time.Now().Add(-48*time.Hour), 24*time.Hour))
		m.reconcile()
		wait := func() {
			if _, err := m.Get(context.Background(), query); err != nil {
				b.Error(err)
			}
		}
		took = append(took, release(many, wait, func() { <-hold.Arrived }, func() { close(hold.Release) }))
		m.work.Wait()
	}
	reportMedian(b, took)
}

func reportMedian(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1e3, "ms/release")
}

// release lets many wait, lets go of them, and says how long it takes until the last of
// them has waited.
func release(many int, wait, ready, letGo func()) time.Duration {
	background := parked()
	var come, gone sync.WaitGroup
	for range many {
		come.Add(1)
		gone.Go(func() {
			come.Done()
			wait()
		})
	}
	come.Wait()
	ready()
	for parked() < background+many { // until the last of them waits, but for a few: that is not measured
		runtime.Gosched()
	}
	begun := time.Now()
	letGo()
	gone.Wait()
	return time.Since(begun)
}

// parked is how many goroutines wait for something.
func parked() int {
	waiting := []metrics.Sample{{Name: "/sched/goroutines/waiting:goroutines"}}
	metrics.Read(waiting)
	return int(waiting[0].Value.Uint64())
}
