//go:build system

package packaging_test

import (
	"os"
	"os/exec"
	"testing"
)

// need skips a test on a laptop that lacks a tool, and fails it in CI: a check
// that never runs there is none.
func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			lacking(t, tool+" is missing")
		}
	}
}

func lacking(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}
