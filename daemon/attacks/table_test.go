//go:build linux && system

package attacks

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
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

type row struct{ attack, tried, came string }

var table struct {
	mu   sync.Mutex
	rows []row
}

// report adds a row: what was attempted, how often, and what came of it. A row
// of a test that failed says so.
func report(t *testing.T, attack, tried, came string) {
	t.Helper()
	if t.Failed() {
		came = "**FAILED**: " + came
	}
	table.mu.Lock()
	defer table.mu.Unlock()
	table.rows = append(table.rows, row{attack, tried, came})
}

// missing skips the test for want of something, with a row that says so; in CI
// it fails.
func missing(t *testing.T, attack, what string) {
	t.Helper()
	report(t, attack, "*not run*", "needs "+what)
	if os.Getenv("CI") != "" {
		t.Fatal("CI must have ", what)
	}
	t.Skip("needs ", what)
}

func needRoot(t *testing.T, attack string) {
	t.Helper()
	if os.Getuid() != 0 {
		missing(t, attack, "root")
	}
}

func printTable(w io.Writer) {
	table.mu.Lock()
	defer table.mu.Unlock()
	slices.SortStableFunc(table.rows, func(a, b row) int { return strings.Compare(a.attack, b.attack) })
	fmt.Fprintln(w)
	for _, r := range append([]row{{"what was attempted", "tried", "what came of it"}}, table.rows...) {
		fmt.Fprintf(w, "| %s | %s | %s |\n", r.attack, r.tried, r.came)
	}
}

func needTool(t *testing.T, attack, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, attack, name)
	}
	return path
}
