package main

import (
	"io"
	"os"
	"runtime"

	"golang.org/x/term"
)

// isTerminal reports whether w shows escape sequences to a person. The older
// consoles of Windows print them as they are.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || os.Getenv("TERM") == "dumb" {
		return false
	}
	return runtime.GOOS != "windows" || os.Getenv("WT_SESSION") != ""
}

// paint colours text, if it is true.
type paint bool

// newPaint honours https://no-color.org.
func newPaint(w io.Writer) paint { return paint(isTerminal(w) && os.Getenv("NO_COLOR") == "") }

func (p paint) green(s string) string  { return p.wrap("32", s) }
func (p paint) yellow(s string) string { return p.wrap("33", s) }
func (p paint) red(s string) string    { return p.wrap("31", s) }
func (p paint) bold(s string) string   { return p.wrap("1", s) }

func (p paint) wrap(code, s string) string {
	if !p {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
