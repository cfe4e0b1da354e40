//go:build unix && system

package main_test

import (
	"os"
	"os/exec"
	"testing"
)

// needTool skips on a laptop and fails in CI.
func needTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal("CI must have ", name)
	}
	if err != nil {
		t.Skip("needs ", name)
	}
	return path
}
