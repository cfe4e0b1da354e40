package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/falcred/falcred/protocol"
)

// Page is a list of names and what they stand for, in two columns.
type Page struct {
	strings.Builder
	Paint
}

// Line adds a name and its value.
func (p *Page) Line(name, format string, args ...any) {
	fmt.Fprintf(p, "%-12s%s\n", name, fmt.Sprintf(format, args...))
}

// Under continues the line above.
func (p *Page) Under(text string) {
	if text != "" {
		p.Line("", "%s", text)
	}
}

// Printable is [protocol.Printable], for texts of issuers, hosts and files: what a daemon says
// is printable when it has been read.
func Printable(s string) string { return protocol.Printable(s) }

// When gives a time as people read it, and how far it is.
func When(t, now time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	far := "in " + Span(t.Sub(now))
	if t.Before(now) {
		far = Span(now.Sub(t)) + " ago"
	}
	return fmt.Sprintf("%s (%s)", t.Local().Format("2006-01-02 15:04:05 MST"), far)
}

// Span rounds a duration to what matters of it.
func Span(d time.Duration) string {
	minutes, hours := int(d.Minutes()), int(d.Hours())
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", minutes)
	case hours < 48:
		return fmt.Sprintf("%d h %d min", hours, minutes%60)
	}
	return fmt.Sprintf("%d d %d h", hours/24, hours%24)
}
