// Package words says times, durations and numbers as people read them, in one way everywhere: on
// screens, in the log, in errors.
package words

import (
	"fmt"
	"time"
)

// Moment gives a time as people read it where they are.
func Moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }

// Span leaves out what does not matter of a duration. Nothing is rounded up, and less than
// nothing is nothing.
func Span(d time.Duration) string {
	seconds, minutes, hours := int(d.Seconds()), int(d.Minutes()), int(d.Hours())
	switch {
	case d <= 0:
		return Count(0, "second")
	case d < time.Second:
		return "less than 1 second"
	case d < time.Minute:
		return Count(seconds, "second")
	case d < time.Hour:
		return with(minutes, "minute", seconds%60, "second", minutes < 10)
	case hours < 48:
		return with(hours, "hour", minutes%60, "minute", true)
	}
	return with(hours/24, "day", hours%24, "hour", hours < 7*24)
}

// Count is a number of things, in the singular where it is one.
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// with leaves out a smaller unit that is nothing, or does not matter.
func with(n int, unit string, rest int, smaller string, matters bool) string {
	if rest == 0 || !matters {
		return Count(n, unit)
	}
	return Count(n, unit) + " " + Count(rest, smaller)
}
