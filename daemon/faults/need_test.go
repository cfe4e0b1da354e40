//go:build linux && system

package faults

import (
	"os"
	"os/exec"
	"testing"
)

// needMounts wants root in the private mount namespace of TestMain.
func needMounts(t *testing.T, fault string) {
	t.Helper()
	if os.Getenv(namespaceVariable) == "" {
		missing(t, fault, "root, and a mount namespace of its own")
	}
}

func needRoot(t *testing.T, fault string) {
	t.Helper()
	if os.Getuid() != 0 {
		missing(t, fault, "root")
	}
}

func needTool(t *testing.T, fault, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, fault, name)
	}
	return path
}
