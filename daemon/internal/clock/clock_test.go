package clock

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// What is left of a token is said by the clock that has less of it: one that was set
// while we ran, or one that stood still while the machine slept (R2).
func TestRemainingGoesByBothClocks(t *testing.T) {
	start := time.Now()
	until := start.Add(time.Hour) // counted from our own clock: both readings
	later := start.Add(10 * time.Minute)
	for name, c := range map[string]struct {
		until, now time.Time
		want       time.Duration
	}{
		"both agree":                             {until, later, 50 * time.Minute},
		"the machine has slept for half an hour": {until, stepped(later, 1800), 20 * time.Minute},
		"the clock was set back by half an hour": {until, stepped(later, -1800), 50 * time.Minute},
		"it is over":                             {until, start.Add(2 * time.Hour), -time.Hour},
		"the wall only":                          {until.Round(0), later, 50 * time.Minute},
		"now by the wall only":                   {until, later.Round(0), 50 * time.Minute},
		"neither has a monotonic clock":          {until.Round(0), later.Round(0), 50 * time.Minute},
	} {
		if got := Remaining(c.until, c.now); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// stepped is a moment whose wall clock was set, or went on while the monotonic one stood
// still. Nothing but the system makes those, so this goes by how package time has both:
// seconds of the wall clock stand above 30 bits of nanoseconds.
func stepped(t time.Time, seconds int) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) += uint64(seconds) << 30 // #nosec G103 G115 -- as said
	return t
}

// A moment is told in UTC, to the second, and no moment is none.
func TestWallTime(t *testing.T) {
	now := time.Now()
	if got := WallTime(time.Time{}, now); !got.IsZero() {
		t.Errorf("no moment became %v", got)
	}
	if got, want := WallTime(now.Add(time.Hour), stepped(now, -1800)), now.Add(30*time.Minute).Truncate(time.Second).Round(0); !got.Equal(want) {
		t.Errorf("after the clock was set back: %v, want %v", got, want)
	}
	want := now.Add(time.Hour).UTC().Truncate(time.Second).Round(0)
	got := WallTime(now.Add(time.Hour), now)
	if !got.Equal(want) || got.Location() != time.UTC || got.Nanosecond() != 0 {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestUntilMinute(t *testing.T) {
	for second, want := range map[int]time.Duration{0: time.Minute, 1: 59 * time.Second, 59: time.Second} {
		if got := UntilMinute(time.Date(2026, 1, 2, 3, 4, second, 0, time.UTC)); got != want {
			t.Errorf("second %d: %v, want %v", second, got, want)
		}
	}
}

// All who look once a minute do it at one moment, and stop when they are told to.
func TestNextMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := Plain()
		defer a.Close()
		Sleep(17 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		for range 3 {
			if !NextMinute(ctx, a) {
				t.Fatal("it ended")
			}
			if second := Now().Second(); second != 0 {
				t.Errorf("it looks at second %d", second)
			}
		}
		AfterFunc(time.Second, cancel)
		if NextMinute(ctx, a) {
			t.Error("it goes on after its end")
		}
	})
}
