// Package skip leaves tests out that a system cannot run, each with its reason, in one wording
// that can be counted.
package skip

import (
	"runtime"
	"testing"
)

// OnWindows leaves a test out there.
func OnWindows(t testing.TB, why string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("on Windows:", why)
	}
}

// InWine leaves a test out that only a real Windows runs.
func InWine(t testing.TB, why string) {
	t.Helper()
	if wine() {
		t.Skip("on Windows: not in wine:", why)
	}
}
