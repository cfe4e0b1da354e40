package testkit

import (
	"os"
	"os/exec"
	"testing"
)

// Missing skips a test for want of something on a laptop. In CI it fails: a check that
// never runs there is none.
func Missing(t testing.TB, what ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(append([]any{"CI must have "}, what...)...)
	}
	t.Skip(append([]any{"needs "}, what...)...)
}

// NeedTool is the path of a program that this test cannot do without.
func NeedTool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, name)
	}
	return path
}

// NeedRoot is for what only root may do, as being several users.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "root")
	}
}
