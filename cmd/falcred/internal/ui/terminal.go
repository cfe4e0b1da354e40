package ui

import (
	"io"
	"os"
	"runtime"

	"golang.org/x/term"
)

// IsTerminal reports whether a stream is a person's terminal, which shows escape sequences. The
// older consoles of Windows print them as they are.
func IsTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || os.Getenv("TERM") == "dumb" {
		return false
	}
	return runtime.GOOS != "windows" || os.Getenv("WT_SESSION") != ""
}

// Size is how many columns and rows the terminal has now, 0 where that is not known.
func (c *Console) Size() (columns, rows int) {
	if !c.Live {
		return 0, 0
	}
	return size(c.Out)
}

// Paint colours text, if it is true.
type Paint bool

// NewPaint honours https://no-color.org.
func NewPaint(w io.Writer) Paint { return Paint(IsTerminal(w) && os.Getenv("NO_COLOR") == "") }

func (p Paint) Green(s string) string  { return p.wrap("32", s) }
func (p Paint) Yellow(s string) string { return p.wrap("33", s) }
func (p Paint) Red(s string) string    { return p.wrap("31", s) }
func (p Paint) Bold(s string) string   { return p.wrap("1", s) }

func (p Paint) wrap(code, s string) string {
	if !p {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
