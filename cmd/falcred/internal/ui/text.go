package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/falcred/falcred/protocol/words"
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

// When gives a time as people read it, and how far it is.
func When(t, now time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	far := "in " + words.Span(t.Sub(now))
	if t.Before(now) {
		far = words.Span(now.Sub(t)) + " ago"
	}
	return fmt.Sprintf("%s (%s)", t.Local().Format("2006-01-02 15:04:05 MST"), far)
}
