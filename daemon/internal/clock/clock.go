// Package clock is what falcred knows of time: what is left of a token by the clock
// that has less of it, a timer that a sleeping machine does not stop, and the present.
//
// It is the one seam of time: tokenfile, journal and login ask it what time it is and wait
// by it, never by package time. (Package issuer, which waits for the network alone, uses
// package time.) [Now], [Sleep], [After] and [AfterFunc] are
// plain functions in front of those of package time, so that a simulator replaces them
// in one place; testing/synctest works through them as it is.
package clock

import (
	"context"
	"time"
)

// Now is [time.Now].
func Now() time.Time { return time.Now() }

// Sleep is [time.Sleep].
func Sleep(d time.Duration) { time.Sleep(d) }

// After is [time.After].
func After(d time.Duration) <-chan time.Time { return time.After(d) }

// AfterFunc is [time.AfterFunc].
func AfterFunc(d time.Duration, f func()) *time.Timer { return time.AfterFunc(d, f) }

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
	return time.Minute - time.Duration(now.UnixNano())%time.Minute
}

// NextMinute waits with a for the next whole minute. It is false once ctx has ended.
func NextMinute(ctx context.Context, a *Alarm) bool {
	a.Set(UntilMinute(Now()))
	select {
	case <-ctx.Done():
		return false
	case <-a.C:
		return true
	}
}
