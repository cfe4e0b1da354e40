package strict

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/internal/skip"
)

// odd fails: nothing stands in a folder here but files, folders and links.
func odd(string) error { return errors.ErrUnsupported }

// F6: what stands in a file's place is set aside, and a mode that keeps its owner out is put right.
func TestRepairOnWindows_F6(t *testing.T) {
	for kind, put := range map[string]func(path string) error{
		"read-only": func(p string) error { return os.WriteFile(p, nil, 0o444) },
		"no rights": func(p string) error {
			if err := os.WriteFile(p, nil, 0o600); err != nil {
				return err
			}
			return disk.Chmod(p, 0)
		},
		"a folder": func(p string) error { return os.MkdirAll(filepath.Join(p, "x"), 0o700) },
	} {
		path := filepath.Join(t.TempDir(), "file")
		must(t, put(path))
		must(t, Repair(path))
		file, err := OpenRepaired(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		file.Close()
		if aside := len(Aside(filepath.Dir(path))); aside > 1 || (aside == 1) != strings.HasPrefix(kind, "a ") {
			t.Errorf("%s: %d are set aside", kind, aside)
		}
	}
}

// F6: the folders that Windows comes with are good, and one that everybody may change is not,
// by the lists that a real Windows has.
func TestFoldersOfWindows_F6(t *testing.T) {
	skip.InWine(t, "its folders have access lists of its own making")
	home, err := os.UserHomeDir()
	must(t, err)
	if err := Folder(home); err != nil {
		t.Errorf("the profile's folder: %v", err)
	}
	if problem := As(Folder(`C:\Users\Public`)); problem == nil {
		t.Error("the folder of all users is taken for ours")
	}
	folder := t.TempDir()
	must(t, disk.Chmod(folder, 0o777))
	if problem := As(Folder(filepath.Join(folder, "home"))); problem == nil || problem.Path != folder {
		t.Errorf("below a folder of everybody's: %v", problem)
	}
}
