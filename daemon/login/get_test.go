package login

import (
	"context"
	"testing"
	"time"
	"unsafe"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

var plainGet = protocol.Query{ServerURL: protocol.DefaultServer}

// serving is a login in memory whose token came with a lifetime of a day, by our own
// clock.
func serving(now time.Time) *Manager {
	t := tokenfile.Token{TokenPair: tokenfile.TokenPair{Refresh: "r", Access: "a"},
		Expires: now.Add(24 * time.Hour), RefreshAt: now.Add(12 * time.Hour)}
	m := &Manager{wake: make(chan struct{}, 1)}
	m.state = State{Phase: Active, Tokens: t, Served: t}
	publish(m)
	return m
}

// R2: the answer that is ready says by the wall clock when its token runs out. It is not
// given once that clock was set back, nor when the machine has slept for too long.
func TestReadyEndsWithTheClock_R2(t *testing.T) {
	now := time.Now()
	s := serving(now).Snapshot()
	for _, later := range []time.Duration{0, time.Hour, 23 * time.Hour} {
		if s.Ready(plainGet, now.Add(later)) == nil {
			t.Errorf("nothing is ready after %v", later)
		}
	}
	for name, then := range map[string]time.Time{
		"two seconds back":        moved(now, -2),
		"an hour back":            moved(now, -3600),
		"a day of sleep":          moved(now, 24*3600),
		"a day":                   now.Add(24 * time.Hour),
		"all but half the margin": now.Add(24*time.Hour - margin/2),
	} {
		if s.Ready(plainGet, then) != nil {
			t.Errorf("ready after %s", name)
		}
	}
}

// moved is a moment whose wall clock was set, or went on while the monotonic one stood
// still. Nothing but the system makes those, so this goes by how package time has both:
// seconds of the wall clock stand above 30 bits of nanoseconds.
func moved(t time.Time, seconds int) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) += uint64(seconds) << 30 // #nosec G103 G115 -- as said
	return t
}

// R2: who asks in the second half of the token's life wakes the schedule, unless there is
// a rotation already: an issuer may take 17 s, in which clients would keep it from rest.
func TestGetWakesTheScheduleOnce_R2(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		hold := idp.NewHold()
		w.idp.Inject(hold.After())
		refresh, _, _ := w.idp.Login("ann")
		w.write(refresh, w.idp.Mint("ann", time.Now().Add(-90*time.Minute), 2*time.Hour))
		w.open()
		w.reconcile()
		<-hold.Arrived
		for len(w.wake) > 0 {
			<-w.wake
		}
		for range 3 {
			w.mustGet()
		}
		if len(w.wake) > 0 {
			t.Error("the schedule is woken during a rotation")
		}
		close(hold.Release)
		w.settle()
	})
}

// F3: requests share readings of the file, and none goes by one that may have begun before
// what it has to know of happened: here a login, and a request right after it.
func TestGetGoesByNoReadingFromBefore_F3(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.open()
		read := &call{done: make(chan struct{})} // there was no file
		w.mu.Lock()
		w.reading = read
		w.mu.Unlock()
		w.signIn("ann")
		got := make(chan error)
		go func() {
			_, err := w.get()
			got <- err
		}()
		w.settle()
		w.mu.Lock()
		w.reading = nil
		w.mu.Unlock()
		close(read.done)
		if err := <-got; err != nil {
			t.Errorf("%v\n%s", err, w.log)
		}
	})
}

// S5: a bug that one reading meets, and that the server survives, does not hold up those who
// share it, nor who comes after.
func TestAPanicEndsItsReading_S5(t *testing.T) {
	m := &Manager{} // without a snapshot
	func() {
		defer func() {
			if recover() == nil {
				t.Error("nothing panics here: it proves nothing")
			}
		}()
		readTogether(m)
	}()
	if m.reading != nil {
		t.Error("whoever comes next waits for a reading that has ended")
	}
}

// A get takes no lock: it is answered while somebody holds it.
func TestGetTakesNoLock(t *testing.T) {
	m := serving(time.Now())
	m.mu.Lock()
	defer m.mu.Unlock()
	answered := make(chan error, 1)
	go func() {
		_, err := m.Get(context.Background(), plainGet)
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
