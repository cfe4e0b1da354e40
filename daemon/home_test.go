//go:build linux || darwin

package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// F6: the home belongs to the user, or is refused.
func TestF6HomeOfAnotherUser(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	if err := prepareHome(home); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(home); info.Mode().Perm() != 0o700 {
		t.Fatalf("a new home has mode %v", info.Mode())
	}
	os.Chmod(home, 0o777)
	if err := prepareHome(home); err == nil {
		t.Error("a home that others can write was accepted")
	}
	os.Chmod(home, 0o755)
	theirs := theirFolder(t)
	if err := prepareHome(theirs); err == nil || !strings.Contains(err.Error(), "another user") {
		t.Errorf("another user's home: %v", err)
	}
	if err := prepareHome(filepath.Join(theirs, ".fal")); err == nil {
		t.Error("a folder was made in another user's home")
	}
}

// theirFolder belongs to another user, whoever we are: root gives one away, and
// everybody else has root's.
func theirFolder(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		return "/usr"
	}
	folder := shortDir(t)
	if err := os.Chown(folder, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	return folder
}
