package words

import (
	"math"
	"testing"
	"time"
)

// §4: durations have one form. What is short is not said to be nothing.
func TestSpan_Section4(t *testing.T) {
	for given, want := range map[time.Duration]string{
		-time.Hour: "0 s", 0: "0 s", 1: "less than 1 s", 900 * time.Millisecond: "less than 1 s",
		time.Second: "1 s", 20 * time.Second: "20 s", 59*time.Second + 999*time.Millisecond: "59 s",
		time.Minute: "1 min", 90 * time.Second: "1 min 30 s", 29*time.Minute + 59*time.Second: "29 min",
		time.Hour: "1 h", 70 * time.Minute: "1 h 10 min", 47*time.Hour + 59*time.Minute: "47 h 59 min",
		48 * time.Hour: "2 d", 30 * 24 * time.Hour: "30 d", 30*24*time.Hour + 5*time.Hour: "30 d 5 h",
		math.MaxInt64: "106751 d 23 h",
	} {
		if got := Span(given); got != want {
			t.Errorf("%s became %q, not %q", given, got, want)
		}
	}
}
