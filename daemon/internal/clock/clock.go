// Package clock is what falcred knows of time: what is left of a token by the clock
// that has less of it, a timer that a sleeping machine does not stop, and the present.
//
// It is the one door to time: tokenfile, journal, issuer and login ask it what time it is
// and wait by it, or by package task, and never by package time. So a simulator replaces
// time in one place (task.Simulate); testing/synctest works through it as it is.
package clock

import (
	"context"
	"time"

	"github.com/falcred/falcred/daemon/internal/task"
)

// Now is [time.Now].
func Now() time.Time {
	if w := task.Simulated(); w != nil {
		return w.Now()
	}
	return time.Now()
}

// Sleep is [time.Sleep].
func Sleep(d time.Duration) { task.Wait(d) }

// AfterFunc is [time.AfterFunc]; stop is its timer's.
func AfterFunc(d time.Duration, f func()) (stop func() bool) {
	if w := task.Simulated(); w != nil {
		return w.AfterFunc(d, f)
	}
	return time.AfterFunc(d, f).Stop
}

// WithTimeout is [context.WithTimeout]. In a simulation the context's error is
// [context.Canceled], and its cause what it is elsewhere.
func WithTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	w := task.Simulated()
	if w == nil {
		return context.WithTimeout(parent, d)
	}
	ctx, cancel := context.WithCancelCause(parent)
	stop := w.AfterFunc(d, func() { cancel(context.DeadlineExceeded) })
	return ctx, func() { stop(); cancel(context.Canceled) }
}

// After is a context with the values of ctx that ends d after ctx does.
func After(ctx context.Context, d time.Duration) context.Context {
	later, end := context.WithCancel(context.WithoutCancel(ctx))
	atEnd(ctx, func() { AfterFunc(d, end) })
	return later
}

// atEnd is [context.AfterFunc], for good.
func atEnd(ctx context.Context, f func()) {
	if task.Simulated() == nil {
		context.AfterFunc(ctx, f)
		return
	}
	if ctx.Done() != nil {
		task.Go(func() { task.Wait(task.Forever, ctx.Done()); f() })
	}
}

// Remaining is the time until then, by the clock that has less of it. A moment that
// was counted from our own clock has two readings: the monotonic one misses the time
// that the machine slept, the wall's can be turned back.
func Remaining(until, now time.Time) time.Duration {
	return min(until.Sub(now), until.Round(0).Sub(now.Round(0)))
}

// WallTime is a moment for people and clients: in UTC, to the second, on the
// wall clock as it stands now, which may have been set since the moment was counted. The
// zero time stays zero.
func WallTime(t, now time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return now.Add(Remaining(t, now)).UTC().Truncate(time.Second)
}

// UntilMinute is the time until the next whole minute. What is checked about once a minute is
// checked then, all at one moment, which wakes a machine at rest once.
func UntilMinute(now time.Time) time.Duration {
	if w := task.Simulated(); w != nil {
		return w.UntilMinute(now)
	}
	return time.Minute - time.Duration(now.UnixNano())%time.Minute
}

// NextMinute waits with a for the next whole minute. It is false once ctx has ended.
func NextMinute(ctx context.Context, a *Alarm) bool {
	a.Set(UntilMinute(Now()))
	return task.Wait(task.Forever, ctx.Done(), a.C) == 1
}
