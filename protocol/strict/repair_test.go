//go:build linux || darwin || windows

package strict

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/falcred/falcred/protocol/disk"
)

// F6: as many are kept as there are names for, the newest among them.
func TestSetAsideIsBounded_F6(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for i := range 10 {
		if err := os.WriteFile(path, []byte{byte('0' + i)}, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := SetAside(path); err != nil {
			t.Fatal(err)
		}
	}
	found := Aside(filepath.Dir(path))
	if len(found) != maxAside {
		t.Fatalf("set aside: %v", found)
	}
	if newest, _ := os.ReadFile(found[maxAside-1]); string(newest) != "9" {
		t.Errorf("the newest holds %q", newest)
	}
	if all, _ := os.ReadDir(filepath.Dir(path)); len(all) != maxAside {
		t.Errorf("in the folder: %v", all)
	}
}

// F6: what is to blame is told apart: the file, or the way to it and the moment.
func TestBlocked_F6(t *testing.T) {
	for err, want := range map[error]bool{
		&Problem{Path: "/a/b"}: true, &Problem{Path: "/a"}: false,
		&fs.PathError{Err: syscall.EACCES}: true, &fs.PathError{Err: syscall.ENXIO}: true,
		&fs.PathError{Err: syscall.EMFILE}: false, &fs.PathError{Err: syscall.EIO}: false, fs.ErrNotExist: false,
	} {
		if got := Blocked("/a/b", err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}

// F6: nothing is renamed where somebody else could put another file in its place.
func TestNothingIsRepairedElsewhere_F6(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "folder")
	if err := os.MkdirAll(filepath.Join(folder, "file"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := disk.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	if Repair(filepath.Join(folder, "file")) == nil || len(Aside(folder)) != 0 {
		t.Error("it was set aside")
	}
}
