package clock

import (
	"time"

	"github.com/falcred/falcred/daemon/internal/task"
)

// Alarm is a [time.Timer] for long waits, for one goroutine: [New] makes it, Set
// has it ring in C once, Close ends it. It may ring early when it was set anew, and
// when the machine has slept, so check then whether what you wait for has come.
//
// On Linux it is the kernel's timer on CLOCK_BOOTTIME (timerfd_create(2)), for two
// reasons. It counts the time that the machine slept. And a process whose Go timers
// have all run out waits for its clients without a limit; one with a single timer
// pending, be it for tomorrow, has the kernel arm another each time it waits, which
// makes a request some 8 % dearer. Elsewhere, and where the kernel has none to
// give, it is a Go timer.
type Alarm struct {
	C     <-chan struct{}
	set   func(time.Duration)
	close func()
}

// New makes one that is not set.
func New() *Alarm {
	if w := task.Simulated(); w != nil {
		c := make(chan struct{}, 1)
		set, stop := w.Alarm(func() { ring(c) })
		return &Alarm{C: c, set: set, close: stop}
	}
	if a, ok := boot(); ok {
		return a
	}
	return Plain()
}

// Plain makes one that is a Go timer, and thus knows the clock of testing/synctest.
func Plain() *Alarm {
	c := make(chan struct{}, 1)
	timer := time.AfterFunc(time.Hour, func() { ring(c) })
	timer.Stop()
	closed := false
	set := func(d time.Duration) {
		if !closed {
			timer.Reset(d)
		}
	}
	return &Alarm{C: c, set: set, close: func() { closed = true; timer.Stop() }}
}

// ring puts one thing into a channel that holds one.
func ring(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Set has it ring d from now, and not at the time that was set before.
func (a *Alarm) Set(d time.Duration) { a.set(d) }

// Close gives it back: it does not ring any more, whatever is set.
func (a *Alarm) Close() { a.close() }
