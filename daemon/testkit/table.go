package testkit

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// Table is what a run of tests tells: a row for all that was tried, in the form in which
// the documentation has it. Tests that run side by side may fill it.
type Table struct {
	Columns [3]string // their names: what it was, how often it was tried, what came of it
	Order   []string  // prefixes of the names of tests, whose rows stand first

	mu   sync.Mutex
	rows []row
}

type row struct {
	test  string
	cells [3]string
}

// Report adds a row. That of a test that failed says so.
func (b *Table) Report(t testing.TB, what, tried, came string) {
	t.Helper()
	if t.Failed() {
		came = "**FAILED**: " + came
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows = append(b.rows, row{t.Name(), [3]string{what, tried, came}})
}

// Missing is [Missing], with a row that says so.
func (b *Table) Missing(t testing.TB, what, needs string) {
	t.Helper()
	b.Report(t, what, "*not run*", "needs "+needs)
	Missing(t, needs)
}

// NeedRoot is [NeedRoot], with a row.
func (b *Table) NeedRoot(t testing.TB, what string) {
	t.Helper()
	if os.Geteuid() != 0 {
		b.Missing(t, what, "root")
	}
}

// NeedTool is [NeedTool], with a row.
func (b *Table) NeedTool(t testing.TB, what, name string) (path string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		b.Missing(t, what, name)
	}
	return path
}

// place is where the rows of a test stand. Tests side by side end as they like.
func (b *Table) place(test string) int {
	for i, prefix := range b.Order {
		if strings.HasPrefix(test, prefix) {
			return i
		}
	}
	return len(b.Order)
}

// Print prints it, for a TestMain; an empty one is no table.
func (b *Table) Print(w io.Writer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.rows) == 0 {
		return
	}
	slices.SortStableFunc(b.rows, func(x, y row) int {
		return cmp.Or(cmp.Compare(b.place(x.test), b.place(y.test)), cmp.Compare(x.test, y.test))
	})
	rows := append([]row{{"", b.Columns}}, b.rows...)
	var width [3]int
	for _, r := range rows {
		for i, cell := range r.cells {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	fmt.Fprintln(w)
	for i, r := range rows {
		writeRow(w, r.cells, width, " ")
		if i == 0 {
			writeRow(w, [3]string{}, width, "-")
		}
	}
	fmt.Fprintln(w)
}

func writeRow(w io.Writer, cells [3]string, width [3]int, fill string) {
	for i, cell := range cells {
		fmt.Fprintf(w, "|%s%s%s%s", fill, cell, strings.Repeat(fill, width[i]-utf8.RuneCountInString(cell)), fill)
	}
	fmt.Fprintln(w, "|")
}

// Count writes 1,000 for 1000, and the plural where it is due.
func Count(n int, what string) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	switch {
	case n == 1 || what == "":
	case strings.HasSuffix(what, "sh"):
		what += "es"
	case strings.HasSuffix(what, "y"):
		what = strings.TrimSuffix(what, "y") + "ies"
	default:
		what += "s"
	}
	return strings.TrimSpace(digits + " " + what)
}
