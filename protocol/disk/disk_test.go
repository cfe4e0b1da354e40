package disk_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/internal/skip"
)

// What was not opened is no File: a nil *os.File in one would not be nil.
func TestNoFileIsNil(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	if file, err := disk.OpenFile(none, os.O_RDONLY, 0); file != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, %v", file, err)
	}
	if file, err := disk.CreateTemp(none, "x*"); file != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, %v", file, err)
	}
}

// The system's files tell nothing of themselves: whoever wants that has to watch them.
func TestTheSystemsFilesDoNotNotify(t *testing.T) {
	if stop, told := disk.Notify(func(string) {}); told || stop != nil || disk.Simulated() {
		t.Error("a disk is simulated that nobody has put there")
	}
}

// A file that one of us has open can be renamed and removed, and its opening stays that file's.
func TestOpenIsRenamed(t *testing.T) {
	folder := t.TempDir()
	path, other := filepath.Join(folder, "file"), filepath.Join(folder, "other")
	for _, name := range []string{path, other} {
		write(t, name, name)
	}
	opened, err := disk.OpenFile(other, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	if err := disk.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	held, heldErr := opened.Stat()
	named, err := disk.Lstat(path)
	if heldErr != nil || err != nil || !disk.SameFile(held, named) {
		t.Errorf("the name is another file's: %v, %v", heldErr, err)
	}
	if err := disk.Remove(path); err != nil {
		t.Error(err)
	}
	opened.Close() // in wine, and on a file system without POSIX semantics, it goes now
	if _, err := disk.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after its removal: %v", err)
	}
}

// A file that one of us has open can be replaced, and is still read as it was.
func TestOpenIsReplaced(t *testing.T) {
	skip.InWine(t, "it replaces no file that is open")
	folder := t.TempDir()
	path, other := filepath.Join(folder, "file"), filepath.Join(folder, "other")
	write(t, path, "old")
	write(t, other, "new")
	opened, err := disk.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	begun := time.Now()
	if err := disk.Rename(other, path); err != nil || time.Since(begun) > time.Second {
		t.Fatalf("%v, after %v", err, time.Since(begun))
	}
	if data, err := io.ReadAll(opened); err != nil || string(data) != "old" {
		t.Errorf("%q, %v", data, err)
	}
}

// A file that nobody may write, as its mode has it, can be replaced.
func TestReadOnlyIsReplaced(t *testing.T) {
	folder := t.TempDir()
	path, other := filepath.Join(folder, "file"), filepath.Join(folder, "other")
	write(t, path, "old")
	write(t, other, "new")
	if err := disk.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if err := disk.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "new" {
		t.Errorf("%q, %v", data, err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What is made for us alone is that from its first moment, whatever the folder hands down.
func TestPrivate(t *testing.T) {
	folder := t.TempDir()
	if err := disk.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(folder, "a", "b")
	if err := disk.MkdirAll(made, 0o700); err != nil {
		t.Fatal(err)
	}
	file, err := disk.OpenFile(filepath.Join(made, "file"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	temporary, err := disk.CreateTemp(folder, ".x-*-y")
	if err != nil {
		t.Fatal(err)
	}
	defer temporary.Close()
	for path, want := range map[string]fs.FileMode{
		folder: 0o755, filepath.Dir(made): 0o700, made: 0o700, file.Name(): 0o600, temporary.Name(): 0o600,
	} {
		if info, err := disk.Stat(path); err != nil || info.Mode().Perm()&0o707 != want&0o707 { // no groups on Windows
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	for _, mode := range []fs.FileMode{0o644, 0o666, 0o600, 0o400, 0o600} {
		if err := file.Chmod(mode); err != nil {
			t.Fatal(err)
		}
		if info, err := file.Stat(); err != nil || info.Mode()&0o707 != mode&0o707 {
			t.Errorf("after chmod %v: %v, %v", mode, info.Mode(), err)
		}
	}
}
