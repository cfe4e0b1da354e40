package ui

import (
	"io"
	"math"
	"os"
	"strings"

	"golang.org/x/term"
)

// widest is the longest line of a page, whatever the terminal has: a longer one is hard to read.
const widest = 80

// Width is how long a line may be.
func Width(w io.Writer) int {
	if columns, _ := size(w); columns > 0 {
		return min(columns, widest)
	}
	return widest
}

// LineWidth is Width on a terminal. Elsewhere it is no limit: who searches there wants each text in one line.
func LineWidth(w io.Writer) int {
	if !IsTerminal(w) {
		return math.MaxInt
	}
	return Width(w)
}

// size is the terminal's as it is now, 0 where there is none.
func size(w io.Writer) (columns, rows int) {
	if file, ok := w.(*os.File); ok {
		columns, rows, _ = term.GetSize(int(file.Fd()))
	}
	return columns, rows
}

// Over is a screen that takes the place of what the terminal shows, and is no longer than that: its end is
// left out.
func Over(w io.Writer, screen string) string {
	lines := strings.SplitAfter(screen, "\n")
	if _, rows := size(w); rows > 1 {
		lines = lines[:min(len(lines), rows-1)]
	}
	return "\x1b[H" + strings.ReplaceAll(strings.Join(lines, ""), "\n", "\x1b[K\n") + "\x1b[J"
}

// Fold breaks a text into lines of so many cells, between words. A word that is longer has a line of its own,
// whole: it may be a command.
func Fold(text string, cells int) string {
	var page strings.Builder
	used := 0
	for i, word := range strings.Split(text, " ") {
		n := Cells(word)
		switch {
		case i == 0:
		case used+1+n > cells:
			page.WriteByte('\n')
			used = 0
		default:
			page.WriteByte(' ')
			used++
		}
		page.WriteString(word)
		used += n
	}
	return page.String()
}

// Hang is Fold for a text that begins behind so many cells of its line, and goes on below itself.
func Hang(text string, left, cells int) string {
	return strings.ReplaceAll(Fold(text, cells-left), "\n", "\n"+strings.Repeat(" ", left))
}

// narrowest is the width below which nothing is gained by breaking lines.
const narrowest = 8

// Wrap is Fold for what must not be wider: a longer word, as a path can be, is broken behind a slash, or
// anywhere. Less than some cells leaves a text whole.
func Wrap(text string, cells int) (lines []string) {
	if cells < narrowest {
		return []string{text}
	}
	for line := range strings.SplitSeq(Fold(text, cells), "\n") {
		for Cells(line) > cells {
			head := fitting(line, cells)
			lines = append(lines, line[:head])
			line = line[head:]
		}
		lines = append(lines, line)
	}
	return lines
}

// fitting is how many bytes of a word fit, up to a slash where one is near.
func fitting(word string, cells int) int {
	used, slash, escape := 0, 0, false
	for i, r := range word {
		if used += wide(r, &escape); used > cells {
			if slash > i/2 {
				return slash
			}
			return i
		}
		if r == '/' || r == '\\' {
			slash = i + 1
		}
	}
	return len(word)
}

// Cells is how wide a text is on a terminal, at most.
func Cells(text string) (n int) {
	escape := false
	for _, r := range text {
		n += wide(r, &escape)
	}
	return n
}

// wide is how many cells a rune takes: 2 for what can take so many, the writing of East Asia and
// pictures, and none within what colours a text, of which escape keeps track.
func wide(r rune, escape *bool) int {
	switch {
	case r == '\x1b':
		*escape = true
		return 0
	case *escape:
		*escape = r != 'm'
		return 0
	case r >= 0x1100 && r <= 0x115F || r >= 0x2E80 && r != 0xFFFD:
		return 2
	}
	return 1
}
