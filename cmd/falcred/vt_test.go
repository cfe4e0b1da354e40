//go:build unix

package main

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// vt is a terminal as most are, without its colours: text wraps at its width, what wrapped is
// wrapped anew when it gets another one, and the rows above scroll away.
type vt struct {
	mu            sync.Mutex
	columns, size int     // size is how many rows are seen
	rows          []vtRow // with those that have scrolled away
	row, column   int     // the cursor, in rows
	rest          string  // the beginning of what commands a terminal
}

// vtRow is one row; goesOn says that the next one is the same line's.
type vtRow struct {
	text   []rune
	goesOn bool
}

func newVT(rows, columns int) *vt { return &vt{columns: columns, size: rows, rows: make([]vtRow, 1)} }

// Write takes what a program prints.
func (v *vt) Write(data []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	text := v.rest + string(data)
	for text != "" {
		if text[0] == 0x1b {
			end := strings.IndexAny(text, "ABCDHJKmhl")
			if end < 0 {
				break
			}
			v.command(text[2:end], text[end])
			text = text[end+1:]
			continue
		}
		r, size := firstRune(text)
		if size == 0 {
			break
		}
		v.print(r)
		text = text[size:]
	}
	v.rest = text
	return len(data), nil
}

// firstRune is not there where its bytes are not all there.
func firstRune(text string) (r rune, size int) {
	if !utf8.FullRuneInString(text) {
		return 0, 0
	}
	return utf8.DecodeRuneInString(text)
}

func (v *vt) print(r rune) {
	switch r {
	case '\r':
		v.column = 0
	case '\n':
		v.down()
	default:
		if v.column >= v.columns {
			v.rows[v.row].goesOn = true
			v.down()
			v.column = 0
		}
		row := &v.rows[v.row]
		for len(row.text) <= v.column {
			row.text = append(row.text, ' ')
		}
		row.text[v.column] = r
		v.column++
	}
}

func (v *vt) down() {
	if v.row++; v.row == len(v.rows) {
		v.rows = append(v.rows, vtRow{})
	}
}

func (v *vt) command(args string, what byte) {
	n, _ := strconv.Atoi(args)
	switch what {
	case 'A':
		v.row = max(len(v.rows)-v.size, v.row-max(n, 1), 0)
	case 'J':
		v.rows = v.rows[:v.row+1]
		fallthrough
	case 'K':
		row := &v.rows[v.row]
		row.text, row.goesOn = row.text[:min(len(row.text), v.column)], false
	}
}

// resize wraps anew what wrapped, and goes on with the cursor where it stood in the text.
func (v *vt) resize(rows, columns int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	old, row, column := v.rows, v.row, v.column
	v.rows, v.columns, v.size = nil, columns, rows
	for i := 0; i < len(old); i++ {
		var line []rune
		at := -1 // the cursor
		for ; ; i++ {
			if i == row {
				at = len(line) + column
			}
			line = append(line, old[i].text...)
			if !old[i].goesOn {
				break
			}
		}
		first := len(v.rows)
		for ; len(line) > columns; line = line[columns:] {
			v.rows = append(v.rows, vtRow{line[:columns:columns], true})
		}
		v.rows = append(v.rows, vtRow{line, false})
		if at >= 0 {
			v.row = min(first+at/columns, len(v.rows)-1)
			v.column = at - (v.row-first)*columns
		}
	}
}

// seen is what stands on the screen.
func (v *vt) seen() (lines []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, row := range v.rows[max(0, len(v.rows)-v.size):] {
		lines = append(lines, strings.TrimRight(string(row.text), " "))
	}
	return lines
}

// The terminal of these tests does what terminals do.
func TestVT(t *testing.T) {
	v := newVT(3, 5)
	check := func(want ...string) {
		t.Helper()
		if got := v.seen(); strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("on the screen: %q, want %q", got, want)
		}
	}
	v.Write([]byte("one\r\n\x1b[1mabcdefg\x1b"))
	v.Write([]byte("[0m"))
	check("one", "abcde", "fg")
	v.Write([]byte("\r\x1b[K"))
	check("one", "abcde", "")
	v.Write([]byte("fg\r\nlast\xe2\x96"))
	v.Write([]byte("\x84"))
	check("abcde", "fg", "last▄")
	v.resize(3, 3)
	check("g", "las", "t▄")
	v.resize(9, 9)
	check("one", "abcdefg", "last▄")
	v.Write([]byte("!\x1b[A\r\x1b[J\n?"))
	check("one", "", "?")
}
