//go:build linux && system

package faults

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// longVariable asks for the numbers that the documentation quotes.
const longVariable = "FALCRED_LONG"

// long picks how much is tried.
func long[T any](short, long T) T {
	if os.Getenv(longVariable) != "" {
		return long
	}
	return short
}

type row struct{ test, fault, tried, survived string }

// order is the table's, riskiest first: tests run side by side, and end as they
// like.
var order = []string{"TestKillAt", "TestWindow", "TestKill", "TestDisk", "TestTokenFile", "TestFolder"}

func (r row) place() int {
	for i, prefix := range order {
		if strings.HasPrefix(r.test, prefix) {
			return i
		}
	}
	return len(order)
}

var table struct {
	mu   sync.Mutex
	rows []row
}

// report adds a row: what was broken, how often, and what survived. A row of
// a test that failed says so.
func report(t *testing.T, fault, tried, survived string) {
	t.Helper()
	if t.Failed() {
		survived = "**FAILED**: " + survived
	}
	add(row{t.Name(), fault, tried, survived})
}

func add(r row) {
	table.mu.Lock()
	defer table.mu.Unlock()
	table.rows = append(table.rows, r)
}

// notRun is for what no machine of ours can try.
func notRun(t *testing.T, fault, why string) {
	t.Helper()
	add(row{t.Name(), fault, "*not run*", why})
}

// missing skips the test for want of something, with a row that says so; in CI
// it fails.
func missing(t *testing.T, fault, what string) {
	t.Helper()
	notRun(t, fault, "needs "+what)
	if os.Getenv("CI") != "" {
		t.Fatal("CI must have ", what)
	}
	t.Skip("needs ", what)
}

func printTable(w io.Writer) {
	table.mu.Lock()
	defer table.mu.Unlock()
	if len(table.rows) == 0 {
		return
	}
	slices.SortStableFunc(table.rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.place(), b.place()), cmp.Compare(a.test, b.test))
	})
	rows := append([]row{{"", "what was broken", "tried", "what survived"}}, table.rows...)
	var width [3]int
	for _, r := range rows {
		for i, cell := range r.cells() {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	fmt.Fprintln(w)
	for i, r := range rows {
		writeRow(w, r.cells(), width, " ")
		if i == 0 {
			writeRow(w, [3]string{}, width, "-")
		}
	}
	fmt.Fprintln(w)
}

func (r row) cells() [3]string { return [3]string{r.fault, r.tried, r.survived} }

func writeRow(w io.Writer, cells [3]string, width [3]int, fill string) {
	for i, cell := range cells {
		fmt.Fprintf(w, "|%s%s%s%s", fill, cell, strings.Repeat(fill, width[i]-utf8.RuneCountInString(cell)), fill)
	}
	fmt.Fprintln(w, "|")
}

// count writes 1,000 for 1000, and the plural where it is due.
func count(n int, what string) string {
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
