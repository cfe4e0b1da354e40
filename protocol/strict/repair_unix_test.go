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
