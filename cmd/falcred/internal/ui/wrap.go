package ui

import (
	"io"
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

// narrowest is the width below which nothing is gained by breaking lines.
const narrowest = 8

// Wrap breaks a text into lines of so many cells, between words; a word that is longer, as a
// path can be, is broken behind a slash, or anywhere. Less than some cells leaves it whole.
func Wrap(text string, cells int) (lines []string) {
	if cells < narrowest {
		return []string{text}
	}
	line, used := "", 0
	for _, word := range strings.Split(text, " ") {
		n := Cells(word)
		switch {
		case line == "":
		case used+1+n <= cells:
			line, used = line+" "+word, used+1+n
			continue
		default:
			lines = append(lines, line)
		}
		for n > cells {
			head := fitting(word, cells)
			lines = append(lines, word[:head])
			word = word[head:]
			n = Cells(word)
		}
		line, used = word, n
	}
	return append(lines, line)
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
