//go:build system && (linux || darwin)

package fal

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/strict"
)

// R13: another user's file chooses no host, whatever its mode.
func TestHostOfAnothersFile_R13(t *testing.T) {
	testkit.NeedRoot(t)
	config := Config{filepath.Join(t.TempDir(), "config.toml"), "work"}
	write(t, config.Path, "[work]\nhost = \"api.work.example\"\n")
	if err := os.Chown(config.Path, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if _, _, err := config.RESTHosts(StandardREST, ""); strict.As(err) == nil || config.Others() == nil {
		t.Errorf("another user's: %v", err)
	}
}
