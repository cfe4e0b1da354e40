package words

import (
	"math"
	"testing"
	"time"
)

// §4: durations have one form. What is short is not said to be nothing.
func TestSpan_Section4(t *testing.T) {
	for given, want := range map[time.Duration]string{
		-time.Hour: "0 seconds", 0: "0 seconds", 1: "less than 1 second", 900 * time.Millisecond: "less than 1 second",
		time.Second: "1 second", 20 * time.Second: "20 seconds", 59*time.Second + 999*time.Millisecond: "59 seconds",
		time.Minute: "1 minute", 90 * time.Second: "1 minute 30 seconds", 29*time.Minute + 59*time.Second: "29 minutes",
		time.Hour: "1 hour", 70 * time.Minute: "1 hour 10 minutes", 47*time.Hour + 59*time.Minute: "47 hours 59 minutes",
		48 * time.Hour: "2 days", 53 * time.Hour: "2 days 5 hours", 30 * 24 * time.Hour: "30 days", 30*24*time.Hour + 5*time.Hour: "30 days",
		math.MaxInt64: "106751 days",
	} {
		if got := Span(given); got != want {
			t.Errorf("%s became %q, not %q", given, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 requests", 1: "1 request", 2: "2 requests"} {
		if got := Count(n, "request"); got != want {
			t.Errorf("%d became %q, not %q", n, got, want)
		}
	}
}

// A time has one form, on the reader's own clock.
func TestMoment(t *testing.T) {
	at := time.Date(2026, 8, 3, 9, 5, 59, 0, time.Local)
	if got := Moment(at.UTC()); got != "2026-08-03 09:05" {
		t.Errorf("it became %q", got)
	}
}
