//go:build linux || darwin

package strict

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// F6: what stands in the place of a file of ours is set aside, whatever it is; a mode that
// keeps its owner out is put right, and what is whole stays.
func TestRepair_F6(t *testing.T) {
	for kind, tt := range map[string]struct {
		put   func(path string) error
		aside int
		mode  fs.FileMode
	}{
		"nothing":    {func(string) error { return nil }, 0, 0},
		"whole":      {func(p string) error { return os.WriteFile(p, nil, 0o644) }, 0, 0o644},
		"mode 000":   {func(p string) error { return os.WriteFile(p, nil, 0) }, 0, 0o600},
		"mode 0444":  {func(p string) error { return os.WriteFile(p, nil, 0o444) }, 0, 0o600},
		"a folder":   {func(p string) error { return os.MkdirAll(filepath.Join(p, "x"), 0o700) }, 1, 0},
		"a FIFO":     {func(p string) error { return syscall.Mkfifo(p, 0o600) }, 1, 0},
		"a link":     {func(p string) error { return os.Symlink("/etc/passwd", p) }, 1, 0},
		"a dangling": {func(p string) error { return os.Symlink("/nonexistent", p) }, 1, 0},
	} {
		path := filepath.Join(t.TempDir(), "file")
		if err := tt.put(path); err != nil {
			t.Fatal(err)
		}
		if err := Repair(path); err != nil || len(Aside(filepath.Dir(path))) != tt.aside {
			t.Errorf("%s: %v, set aside %v", kind, err, Aside(filepath.Dir(path)))
		}
		info, err := os.Lstat(path)
		if gone := errors.Is(err, fs.ErrNotExist); gone != (tt.mode == 0) || !gone && info.Mode().Perm() != tt.mode {
			t.Errorf("%s: %v, %v", kind, info, err)
		}
		if file, err := OpenRepaired(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
			t.Errorf("%s: %v", kind, err)
		} else {
			file.Close()
		}
	}
}

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
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	if Repair(filepath.Join(folder, "file")) == nil || len(Aside(folder)) != 0 {
		t.Error("it was set aside")
	}
}
