// Package words says durations as people read them, in one way everywhere: on screens, in the
// log, in errors.
package words

import (
	"fmt"
	"time"
)

// Span leaves out what does not matter of a duration. Nothing is rounded up, and less than
// nothing is nothing.
func Span(d time.Duration) string {
	minutes, hours := int(d.Minutes()), int(d.Hours())
	switch {
	case d <= 0:
		return "0 s"
	case d < time.Second:
		return "less than 1 s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return with(minutes, "min", int(d.Seconds())%60, "s", minutes < 10)
	case hours < 48:
		return with(hours, "h", minutes%60, "min", true)
	}
	return with(hours/24, "d", hours%24, "h", true)
}

// with leaves out a smaller unit that is nothing, or does not matter.
func with(n int, unit string, rest int, smaller string, matters bool) string {
	if rest == 0 || !matters {
		return fmt.Sprintf("%d %s", n, unit)
	}
	return fmt.Sprintf("%d %s %d %s", n, unit, rest, smaller)
}
