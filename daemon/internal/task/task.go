// Package task starts goroutines and waits for things. With package clock it is the door
// through which the parts that a login is made of (login, journal, tokenfile, issuer and
// the history) meet the scheduler: a simulator that takes the system's place ([Simulate])
// decides who runs next, and when. Without one the functions here are what their comments
// say, and nothing else.
//
// A mutex needs no door: none of those parts waits for anything while it holds one.
package task

import (
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// World is what a simulator has in the place of Go's scheduler and the system's clocks. One
// task of it runs at a time.
type World interface {
	Now() time.Time
	// Wait waits until poll says that there is something, or d is over. It says which: poll
	// is asked once more whenever something may have changed.
	Wait(d time.Duration, poll func() bool) bool
	Go(f func())
	// AfterFunc has f called after d, which does not pass while the machine sleeps.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
	// Alarm calls ring, which waits for nothing, after what was set last; that passes while
	// the machine sleeps.
	Alarm(ring func()) (set func(d time.Duration), stop func())
	// UntilMinute is the time until somebody looks whether something has changed.
	UntilMinute(now time.Time) time.Duration
	Float64() float64
	PID() int
}

// world is nil in each program but the simulator.
var world World

// Simulate puts a simulator in the place of the system, nil the system in its place again.
// Nothing else of this package, or of package clock, may be under way meanwhile.
func Simulate(w World) { world = w }

// Simulated is the simulator, or nil.
func Simulated() World { return world }

// Go runs f on a goroutine of its own.
func Go(f func()) {
	if world != nil {
		world.Go(f)
		return
	}
	go f()
}

// Forever is a time that does not pass.
const Forever time.Duration = 1<<63 - 1

// most is how many channels one can wait for.
const most = 4

// Wait receives from one of the channels, at most four, and says which by its index, or -1
// when d is over. A nil channel has never anything. It is a select statement.
func Wait(d time.Duration, c ...<-chan struct{}) int {
	if len(c) > most {
		panic("task: more channels than one can wait for")
	}
	if world != nil {
		return simulatedWait(d, c)
	}
	var of [most]<-chan struct{}
	copy(of[:], c)
	var over <-chan time.Time
	if d < Forever {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
		return -1
	case <-of[0]:
		return 0
	case <-of[1]:
		return 1
	case <-of[2]:
		return 2
	case <-of[3]:
		return 3
	}
}

func simulatedWait(d time.Duration, c []<-chan struct{}) int {
	got := -1
	world.Wait(d, func() bool {
		for i := range c {
			select {
			case <-c[i]:
				got = i
				return true
			default:
			}
		}
		return false
	})
	return got
}

// Receive receives from a channel whose senders do not wait for a receiver: ok is false where
// it is closed.
func Receive[T any](c <-chan T) (v T, ok bool) {
	if world == nil {
		v, ok = <-c
		return v, ok
	}
	world.Wait(Forever, func() bool {
		select {
		case v, ok = <-c:
			return true
		default:
			return false
		}
	})
	return v, ok
}

// Group is a [sync.WaitGroup].
type Group struct {
	all sync.WaitGroup
	n   atomic.Int64
}

// Add is [sync.WaitGroup.Add] for one more.
func (g *Group) Add() {
	g.all.Add(1)
	g.n.Add(1)
}

// Done is [sync.WaitGroup.Done].
func (g *Group) Done() {
	g.n.Add(-1)
	g.all.Done()
}

// Go is [sync.WaitGroup.Go].
func (g *Group) Go(f func()) {
	g.Add()
	Go(func() {
		defer g.Done()
		f()
	})
}

// Wait is [sync.WaitGroup.Wait].
func (g *Group) Wait() {
	if world != nil {
		world.Wait(Forever, func() bool { return g.n.Load() == 0 })
		return
	}
	g.all.Wait()
}

// PID is [os.Getpid].
func PID() int {
	if world != nil {
		return world.PID()
	}
	return os.Getpid()
}

// Float64 is a random number in [0, 1), for what needs no secret one.
func Float64() float64 {
	if world != nil {
		return world.Float64()
	}
	return rand.Float64() // #nosec G404 -- as said
}
