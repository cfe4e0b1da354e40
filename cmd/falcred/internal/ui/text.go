package ui

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/falcred/falcred/protocol/words"
)

// column is where values begin.
const column = 12

// Page is a list of names and what they stand for, in two columns. No line is longer than
// Width, where there is one, and the user's folder is ~.
type Page struct {
	strings.Builder
	Paint
	Width int
}

// NewPage is a page for w. Only a terminal has a width.
func NewPage(w io.Writer) Page { return Page{Paint: NewPaint(w), Width: LineWidth(w)} }

// Line adds a name and its value, which goes on below itself.
func (p *Page) Line(name, format string, args ...any) {
	for _, line := range Wrap(Tilde(fmt.Sprintf(format, args...)), p.Width-column) {
		fmt.Fprintf(p, "%-*s%s\n", column, name, line)
		name = ""
	}
}

// Under continues the line above.
func (p *Page) Under(text string) {
	if text != "" {
		p.Line("", "%s", text)
	}
}

// When gives a time as people read it where they are, and how far it is.
func When(t, now time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	far := "in " + words.Span(t.Sub(now))
	if t.Before(now) {
		far = words.Span(now.Sub(t)) + " ago"
	}
	return words.Moment(t) + " (" + far + ")"
}

// Tilde is a text in which each path of the user's folder begins with ~, as a shell takes it.
func Tilde(text string) string {
	folder, err := os.UserHomeDir()
	if err != nil || len(folder) < 2 {
		return text
	}
	separator := string(os.PathSeparator)
	return strings.ReplaceAll(" "+text, " "+folder+separator, " ~"+separator)[1:]
}
