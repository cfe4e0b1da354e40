//go:build linux

package main

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/daemon/sim/drive"
)

// world is one machine with its disk, the issuer, and all who use them, for the time of one
// life. It takes the place of Go's scheduler and of the system's clocks (task.World): one
// thread runs at a time, until it waits or comes to a seam, and what it does there is the
// seed's to say. Nothing in it depends on anything but the plan.
type world struct {
	rng     *rand.Rand
	clock   clocks
	threads []*thread
	cur     *thread // who runs, nil while the world itself does
	proc    *process

	disk   *drive.Drive
	idp    *provider
	net    weather
	judge  judge
	story  story
	counts *counts

	plan    *plan
	offered string   // what a client has brought last
	linked  bool     // the token file has a second name
	at      drive.Op // what the running thread is about to do to the disk
	broken  broken
	saved   map[string]saved
	daemons []*daemon
	doom    *doom
	trail   []seam        // the seams of the last rotation that came to its end
	changed time.Duration // when something other than a daemon last did anything
	nextAct time.Duration // when the next one is due
	idle    int           // steps since time went on
}

// process is a program that runs: a daemon, a command, a neighbour.
type process struct {
	name string
	kind kind
	dead bool
}

type kind int

const (
	aDaemon    kind = iota
	aCommand        // of falcred
	aNeighbour      // the SDK, the CLI, an editor
	aPerson         // by other means than falcred
)

// thread is a goroutine of the simulation: a coroutine, which runs only when it is resumed.
type thread struct {
	proc      *process
	name      string
	resume    func() (struct{}, bool)
	discard   func()
	yield     func(struct{}) bool
	then      func()      // what is so once the operation before its next seam is done
	poll      func() bool // says whether the wait is over; nil: it can go on
	late      bool        // its time is over
	begun     bool
	over      bool
	rotates   bool           // a daemon's rotations run in it
	trail     []seam         // the seams of the present one
	steps     int            // seams since it last rested…
	confirmed int            // how often the lock had been unlinked when it last compared it with its path since; -1: it has not
	sends     map[string]int // how often it has sent a token since
	phase     string         // …and how far a rotation of it has come since
}

// killed is what a seam panics with in a process that is no more.
type killed struct{}

// spawn begins a thread of a process.
func (w *world) spawn(p *process, f func()) *thread {
	t := &thread{proc: p, name: runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()}
	t.rotates = p.kind == aDaemon && strings.HasSuffix(t.name, rotator)
	t.resume, t.discard = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		defer func() {
			t.over = true
			switch r := recover().(type) {
			case nil, killed:
			default:
				w.judge.fail("panic", "%s: %v\n%s", p.name, r, debug.Stack())
			}
		}()
		f()
	})
	w.threads = append(w.threads, t)
	return t
}

// Go is task.World's.
func (w *world) Go(f func()) { w.spawn(w.proc, f) }

// run has the threads run until that moment.
func (w *world) run(until time.Duration) {
	for !w.judge.failed() {
		if t := w.ready(); t != nil {
			w.step(t)
			continue
		}
		first := w.clock.first()
		if first == nil || first.at > until {
			w.clock.mono = max(w.clock.mono, until)
			return
		}
		w.idle = 0
		w.clock.mono = max(w.clock.mono, first.at)
		w.clock.remove(first)
		w.proc = first.proc
		first.f()
		w.judge.read()
	}
}

// ready picks one of the threads that can go on.
func (w *world) ready() *thread {
	n := len(w.threads)
	if n == 0 {
		return nil
	}
	start := w.rng.IntN(n)
	for i := range n {
		t := w.threads[(start+i)%n]
		w.proc = t.proc
		if t.poll == nil || t.late || t.poll() {
			t.poll = nil
			return t
		}
	}
	return nil
}

// maxIdle is how many steps can be made while no time passes.
const maxIdle = 2_000_000

// step lets a thread run up to its next seam, and buries who died there.
func (w *world) step(t *thread) {
	if w.idle++; w.idle > maxIdle {
		w.judge.fail("spins", "%s runs and runs, and no time passes", t.name)
	}
	w.switchTo(t)
	if t.proc.kind != aDaemon {
		w.changed = w.clock.mono
	}
	w.bury()
	w.judge.read()
}

func (w *world) switchTo(t *thread) {
	t.begun = true
	w.cur, w.proc = t, t.proc
	t.resume()
	w.cur, w.proc = nil, nil
}

// bury ends the threads of dead processes: what they have deferred runs, and comes to no seam.
func (w *world) bury() {
	for _, t := range w.threads {
		if !t.proc.dead {
			continue
		}
		if !t.begun {
			t.discard()
			t.over = true
		}
		for n := 0; !t.over; n++ {
			if n > 1000 {
				panic("a thread does not die: " + t.name)
			}
			w.switchTo(t)
		}
	}
	w.threads = slices.DeleteFunc(w.threads, func(t *thread) bool { return t.over })
}

// kill is a kill -9.
func (w *world) kill(p *process) {
	if !p.dead {
		p.dead = true
		w.clock.drop()
		w.disk.Kill(p)
	}
}

// seam is where a thread can be stopped: others may run, or its process, or the machine, dies.
func (w *world) seam(label string) {
	t := w.cur
	if t == nil {
		return
	}
	if t.proc.dead {
		panic(killed{})
	}
	if then := t.then; then != nil {
		t.then = nil
		then()
	}
	t.steps++
	if t.rotates {
		t.trail = append(t.trail, seam{t.phase, label, w.at})
	}
	if d := w.doom; d != nil && d.strikes(t) {
		w.doom = nil
		w.strike(d, t, label)
		if t.proc.dead {
			panic(killed{})
		}
	}
	if w.rng.Uint32()&7 == 0 {
		w.pause(nil)
	}
}

// pause lets others run until poll says so, or late is set.
func (w *world) pause(poll func() bool) {
	t := w.cur
	t.poll = poll
	t.yield(struct{}{})
	if t.proc.dead {
		panic(killed{})
	}
}

// Wait is task.World's.
func (w *world) Wait(d time.Duration, poll func() bool) bool {
	w.seam("wait")
	t := w.cur
	if t == nil {
		panic("the world itself waits")
	}
	if d >= task.Forever {
		t.sends = nil
	}
	if poll() {
		return true
	}
	if d <= 0 {
		return false
	}
	var timer *timer
	if d < task.Forever {
		timer = w.clock.add(d, t.proc, func() { t.late = true })
	} else {
		if t.phase == "committed: " {
			w.trail, t.trail = t.trail, w.trail
			w.judge.read()
			w.judge.claims(t.proc)
		}
		t.steps, t.confirmed, t.phase, t.trail = 0, -1, "", t.trail[:0]
	}
	w.pause(poll)
	late := t.late
	t.late = false
	if timer != nil {
		w.clock.remove(timer)
	}
	return !late
}

// Float64 is task.World's.
func (w *world) Float64() float64 { return w.rng.Float64() }

// PID is task.World's.
func (w *world) PID() int { return 1 }

// chance is true with that probability.
func (w *world) chance(p float64) bool { return w.rng.Float64() < p }

// between is a time between two.
func (w *world) between(least, most time.Duration) time.Duration {
	if most <= least {
		return least
	}
	return least + time.Duration(w.rng.Int64N(int64(most-least)))
}

// sleep has the running thread wait.
func (w *world) sleep(d time.Duration) { w.Wait(d, never) }

func never() bool { return false }

// say tells the story, where somebody listens.
func (w *world) say(format string, args ...any) {
	if w.story.on {
		w.story.add(w.clock.wall(), fmt.Sprintf(format, args...))
	}
}
