//go:build linux || darwin

package tokenfile

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/disk"
)

// F1: with each order in which the neighbours open, lock and unlink, the lock is one: who holds
// it keeps the other out, who waits gets it, and what they unlink under us is locked anew,
// the old file being kept for those who wait for it.
func TestF1EachOrderOfTheNeighbours(t *testing.T) {
	for _, order := range []testkit.Order{testkit.UnlinksAfter, testkit.UnlinksHeld} {
		t.Run(string(order), func(t *testing.T) {
			home := t.TempDir()
			path := filepath.Join(home, LockName)
			neighbour := func() *testkit.Portalocker { return &testkit.Portalocker{Path: path, Order: order} }
			want := func(p *testkit.Portalocker, held bool, when string) {
				t.Helper()
				if got, err := p.Try(); err != nil || got != held {
					t.Fatalf("%s: they have it: %v, %v", when, got, err)
				}
			}

			first, late := neighbour(), neighbour()
			want(first, true, "before us")
			short, cancel := context.WithTimeout(t.Context(), 2*LockPoll)
			defer cancel()
			if l, err := Acquire(short, home); err == nil {
				l.Release()
				t.Fatal("we got what they hold")
			}
			time.AfterFunc(2*LockPoll, first.Release) // which unlinks
			mine, err := Acquire(t.Context(), home)
			testkit.Must(t, err)
			defer func() { mine.Release() }()
			if current, err := mine.current(); err != nil || !current {
				t.Fatalf("we hold a file that nobody will open any more: %v", err)
			}
			want(late, false, "while we hold it")

			waited := neighbour()
			want(waited, false, "while we hold it")
			waited.Release() // in vain for 20 s, it ends, and unlinks ours if it is an old one
			if _, err := disk.Stat(path); (err == nil) != (order == testkit.UnlinksHeld) {
				t.Fatalf("after its end: %v", err)
			}
			testkit.Must(t, mine.Confirm(t.Context()))
			want(neighbour(), false, "who comes after that")
			want(late, false, "who has opened the file before that")

			mine.Release()
			last := neighbour()
			want(last, true, "after us")
			if !last.Named() {
				t.Error("they hold a file that we have left behind")
			}
			last.Release()
			mine, err = Acquire(t.Context(), home)
			testkit.Must(t, err)
		})
	}
	// Without portalocker they take no lock, and are in nobody's way: F5 is what helps.
	home := t.TempDir()
	mine, err := Acquire(t.Context(), home)
	testkit.Must(t, err)
	defer mine.Release()
	none := &testkit.Portalocker{Path: mine.path, Order: testkit.NoLock}
	if held, err := none.Try(); !held || err != nil {
		t.Errorf("%v, %v", held, err)
	}
	none.Release()
	if len(mine.locks) != 1 || mine.Confirm(t.Context()) != nil || len(mine.locks) != 1 {
		t.Errorf("%d files are locked", len(mine.locks))
	}
}

// F1: all at once, with the order that compares as we do: nobody ever meets another inside.
// (Where portalocker 2 unlinks what others wait for, two neighbours can be inside by
// themselves: see TestF1PortalockerAndFalcredRace, with the real one.)
func TestF1ExclusionBesidePortalocker4(t *testing.T) {
	home := t.TempDir()
	path := filepath.Join(home, LockName)
	var inside, ours, theirs atomic.Int32
	var group sync.WaitGroup
	enter := func(count *atomic.Int32) {
		if inside.Add(1) != 1 {
			t.Error("two holders at once")
		}
		count.Add(1)
		time.Sleep(20 * time.Microsecond)
		inside.Add(-1)
	}
	for range 3 {
		group.Go(func() {
			for ours.Load() < 100 && !t.Failed() {
				l, err := Acquire(t.Context(), home)
				if err != nil {
					t.Error(err)
					return
				}
				enter(&ours)
				l.Release()
			}
		})
		group.Go(func() {
			p := &testkit.Portalocker{Path: path, Order: testkit.UnlinksHeld}
			for (ours.Load() < 100 || theirs.Load() < 100) && !t.Failed() {
				held, err := p.Try()
				if err != nil {
					t.Error(err)
					return
				}
				if held {
					enter(&theirs)
					p.Release()
				}
				time.Sleep(50 * time.Microsecond)
			}
			p.Release()
		})
	}
	group.Wait()
	if ours.Load() < 100 || theirs.Load() < 100 {
		t.Errorf("we were inside %d times, they %d", ours.Load(), theirs.Load())
	}
}
