//go:build linux

package main

import (
	"container/heap"
	"slices"
	"time"
	"unsafe"
)

// epoch is when each life begins.
var epoch = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

// clocks are the machine's.
type clocks struct {
	mono  time.Duration // since the epoch, but for what the machine has slept (CLOCK_MONOTONIC)
	slept time.Duration
	off   time.Duration // by how much the wall clock is wrong
	queue timers
	seq   int
}

// elapsed is for how long the life has gone on, as everybody else counts it.
func (c *clocks) elapsed() time.Duration { return c.mono + c.slept }

// truth is what the time is.
func (c *clocks) truth() time.Time { return epoch.Add(c.elapsed()) }

// wall is what the machine's wall clock says.
func (c *clocks) wall() time.Time { return epoch.Add(c.elapsed() + c.off) }

// reading is the present as time.Now gives it, with both readings.
func (c *clocks) reading() time.Time { return moment(c.wall(), c.mono) }

// moment makes what nothing but the system can make: a time with a monotonic reading. This
// goes by how package time has it: a bit that says so, 33 bits of seconds since 1885 and 30 of
// nanoseconds, and then the reading.
func moment(wall time.Time, mono time.Duration) time.Time {
	const since1885 = 2682288000 // of 1970, in seconds
	t := struct {
		wall uint64
		ext  int64
		loc  *time.Location
	}{1<<63 | uint64(wall.Unix()+since1885)<<30 | uint64(wall.Nanosecond()), int64(mono) + 1, nil} // #nosec G115 -- not before 1885
	return *(*time.Time)(unsafe.Pointer(&t)) // #nosec G103 -- as said
}

// timer calls f at its time. A process's ends with it.
type timer struct {
	at      time.Duration
	seq     int
	f       func()
	proc    *process // nil: the world's own, whose time passes while the machine sleeps
	asleep  bool     // an alarm of CLOCK_BOOTTIME, for which it passes too
	inQueue int      // its place, -1 where it is in none
}

func (c *clocks) add(d time.Duration, p *process, f func()) *timer {
	t := &timer{f: f, proc: p, inQueue: -1}
	c.set(t, d)
	return t
}

// set has a timer ring after d, and not when it was set for before.
func (c *clocks) set(t *timer, d time.Duration) {
	c.remove(t)
	c.seq++
	t.seq = c.seq
	t.at = c.mono + max(d, 0)
	if t.at < c.mono {
		t.at = 1<<63 - 1
	}
	heap.Push(&c.queue, t)
}

func (c *clocks) remove(t *timer) bool {
	if t.inQueue < 0 {
		return false
	}
	heap.Remove(&c.queue, t.inQueue)
	return true
}

func (c *clocks) first() *timer {
	if len(c.queue) == 0 {
		return nil
	}
	return c.queue[0]
}

// drop forgets the timers of those processes that are dead.
func (c *clocks) drop() {
	dead := func(t *timer) bool { return t.proc != nil && t.proc.dead }
	for _, t := range c.queue {
		if dead(t) {
			t.inQueue = -1
		}
	}
	c.queue = slices.DeleteFunc(c.queue, dead)
	for i, t := range c.queue {
		t.inQueue = i
	}
	heap.Init(&c.queue)
}

// sleep is the machine's: nothing runs meanwhile, and its monotonic clock stands still.
func (c *clocks) sleep(d time.Duration) {
	c.slept += d
	for _, t := range c.queue {
		if t.proc == nil || t.asleep {
			t.at = max(c.mono, t.at-d)
		}
	}
	heap.Init(&c.queue)
}

// timers is a heap by time, and by the order in which they were set.
type timers []*timer

func (q timers) Len() int { return len(q) }
func (q timers) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q timers) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].inQueue, q[j].inQueue = i, j
}
func (q *timers) Push(x any) {
	t := x.(*timer)
	t.inQueue = len(*q)
	*q = append(*q, t)
}
func (q *timers) Pop() any {
	last := len(*q) - 1
	t := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	t.inQueue = -1
	return t
}

// What follows is task.World's.

// Now is the present as the running process sees it.
func (w *world) Now() time.Time { return w.clock.reading() }

// AfterFunc has f called in the world's own time: it waits for nothing.
func (w *world) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	t := w.clock.add(d, w.proc, f)
	return func() bool { return w.clock.remove(t) }
}

// Alarm is one that rings while the machine sleeps.
func (w *world) Alarm(ring func()) (set func(time.Duration), stop func()) {
	t := &timer{f: ring, proc: w.proc, asleep: true, inQueue: -1}
	return func(d time.Duration) { w.clock.set(t, d) }, func() { w.clock.remove(t) }
}

// UntilMinute leaves out the looks at a file that nobody has touched since the last two: they
// would find what those have found. A look follows within a minute of whatever is next.
func (w *world) UntilMinute(time.Time) time.Duration {
	wait := time.Minute - time.Duration(w.clock.wall().UnixNano())%time.Minute
	if w.clock.mono-w.changed < 2*time.Minute {
		return wait
	}
	next := w.nextAct
	for _, t := range w.clock.queue {
		if !t.asleep {
			next = min(next, t.at)
		}
	}
	for w.clock.mono+wait < next {
		wait += (next - w.clock.mono - wait + time.Minute - 1) / time.Minute * time.Minute
	}
	return wait
}
