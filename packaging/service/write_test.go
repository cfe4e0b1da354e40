//go:build linux || darwin

package service

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// F6: a unit is written into a file that is new; what lies there by a name that
// could be guessed is not followed.
func TestUnitsAreWrittenThroughNoLink_F6(t *testing.T) {
	folder, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	unit := filepath.Join(folder, "falcred.service")
	for _, name := range []string{unit, unit + ".new"} {
		if err := os.Symlink(victim, name); err != nil {
			t.Fatal(err)
		}
	}
	s := &Service{out: io.Discard}
	if changed, err := s.write(written{unit, "[Unit]\n", 0o644}); err != nil || !changed {
		t.Fatalf("write: %v, %v", changed, err)
	}
	if _, err := os.Lstat(victim); err == nil {
		t.Error("the link was followed")
	}
	info, err := os.Lstat(unit)
	if data, _ := os.ReadFile(unit); err != nil || info.Mode() != 0o644 || string(data) != "[Unit]\n" {
		t.Errorf("it holds %q, %v, %v", data, info, err)
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}
