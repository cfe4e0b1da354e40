//go:build linux || darwin || windows

package fsx

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/strict"
)

// F6: what is read is a small file of ours, and nothing else of its name holds us.
func TestRead_F6(t *testing.T) {
	above := t.TempDir()
	home := filepath.Join(above, "home")
	testkit.Must(t, os.Mkdir(home, 0o700))
	path := filepath.Join(home, "file")
	other := filepath.Join(above, "other")
	testkit.Must(t, os.WriteFile(other, []byte("a secret"), 0o600))
	for name, c := range map[string]struct {
		make func() error
		want string // of the error, "" for none
	}{
		"a file":      {func() error { return os.WriteFile(path, []byte("text"), 0o600) }, ""},
		"a full one":  {func() error { return os.WriteFile(path, make([]byte, MaxSmall), 0o600) }, ""},
		"a long one":  {func() error { return os.WriteFile(path, make([]byte, MaxSmall+1), 0o600) }, path + " has more than 65536 bytes, more than falcred writes"},
		"a link":      {func() error { return testkit.TrySymlink(other, path) }, path + " is a link"},
		"a FIFO":      {func() error { return testkit.Mkfifo(path) }, path + " is not a regular file of yours"},
		"a folder":    {func() error { return os.Mkdir(path, 0o700) }, path + " is not a regular file of yours"},
		"nothing":     {func() error { return nil }, syscall.ENOENT.Error()},
		"others' way": {func() error { return disk.Chmod(above, 0o777) }, above + " can be written by others"},
	} {
		if testkit.NotHere(t, name, c.make()) {
			continue
		}
		data, err := Read(path, MaxSmall)
		switch {
		case c.want == "" && (err != nil || len(data) == 0):
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v", name, err)
		}
		testkit.Must(t, disk.Chmod(above, 0o755))
		testkit.Must(t, os.RemoveAll(path))
	}
	if _, err := Read(path, MaxSmall); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
}

func TestReadTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	testkit.Must(t, os.WriteFile(path, []byte("0123456789"), 0o600))
	for most, want := range map[int64]string{3: "789", 10: "0123456789", 100: "0123456789"} {
		if data, err := ReadTail(path, most); err != nil || string(data) != want {
			t.Errorf("%d: %q, %v", most, data, err)
		}
	}
}

// F3: a reader meets the old content or the new, whatever moment it looks.
func TestWriteAtomicIsNeverTorn_F3(t *testing.T) {
	testkit.InWine(t, "it replaces no file that is open, and readers do not pause here")
	path := filepath.Join(t.TempDir(), "file")
	content := func(i int) []byte { return bytes.Repeat([]byte{'a' + byte(i%26)}, 1000+i) }
	testkit.Must(t, WriteAtomic(path, content(0)))
	look := func() error {
		data, err := testkit.ReadFile(path)
		if err != nil || len(data) < 1000 || !bytes.Equal(data, content(len(data)-1000)) {
			return fmt.Errorf("a reader saw %d bytes: %v", len(data), err)
		}
		return nil
	}
	testkit.WhileReading(t, 2, look, func() {
		for i := range 40 {
			testkit.Must(t, WriteAtomic(path, content(i)))
		}
	})
	if info, err := disk.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode: %v, %v", info, err)
	}
	if left := Temporaries(path); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// What cannot be renamed leaves nothing beside it, and an error is the same each time.
func TestWriteLeavesNothing(t *testing.T) {
	home := t.TempDir()
	path := filepath.Join(home, "file")
	testkit.Must(t, os.MkdirAll(filepath.Join(path, "full"), 0o700)) // a folder that no file replaces
	for _, write := range []func(string, []byte) error{WriteAtomic, WriteRename} {
		first, second := write(path, []byte("text")), write(path, []byte("text"))
		if first == nil || Cause(first).Error() != Cause(second).Error() || strings.Contains(Cause(first).Error(), home) {
			t.Errorf("%v, then %v", first, second)
		}
	}
	if left := Temporaries(path); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	name, err := WriteTemp(filepath.Join(home, "other"), []byte("text"))
	testkit.Must(t, err)
	if left := Temporaries(filepath.Join(home, "other")); len(left) != 1 || left[0] != name {
		t.Errorf("%s is not among %v", name, left)
	}
}

// F6: nothing is written where others could put something in its place.
func TestWriteInASwappedFolder_F6(t *testing.T) {
	above := t.TempDir()
	home := filepath.Join(above, "home")
	testkit.Must(t, os.Mkdir(home, 0o700))
	testkit.Must(t, disk.Chmod(above, 0o777))
	for name, write := range map[string]func(string, []byte) error{"atomic": WriteAtomic, "rename": WriteRename} {
		err := write(filepath.Join(home, "file"), []byte("text"))
		text, hint := Explain(fmt.Errorf("wrapped: %w", err))
		if strict.As(err) == nil || !strings.HasPrefix(text, above+" can be written by others") || !strings.HasPrefix(hint, strict.Withdraw("go", above)) {
			t.Errorf("%s: %v: %q, %q", name, err, text, hint)
		}
	}
	if entries, err := os.ReadDir(home); err != nil || len(entries) != 0 {
		t.Errorf("something was made there: %v, %v", entries, err)
	}
}

// F2: a file that keeps its inode keeps all of its names, and nothing of what was longer.
// No link is followed, and a FIFO holds nobody.
func TestWriteInPlace_F2(t *testing.T) {
	home := t.TempDir()
	path, second := filepath.Join(home, "file"), filepath.Join(home, "second")
	testkit.Must(t, os.WriteFile(path, []byte("something longer"), 0o600))
	testkit.Must(t, os.Link(path, second))
	info, err := disk.Stat(path)
	if testkit.Must(t, err); HardLinks(info) != 2 {
		t.Errorf("%d links", HardLinks(info))
	}
	testkit.Must(t, WriteInPlace(path, []byte("text")))
	for _, name := range []string{path, second} {
		if data, err := os.ReadFile(name); err != nil || string(data) != "text" {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	link, fifo := filepath.Join(home, "link"), filepath.Join(home, "fifo")
	testkit.Symlink(t, path, link)
	testkit.Must(t, testkit.Mkfifo(fifo))
	for _, name := range []string{link, fifo, filepath.Join(home, "none")} {
		if err := WriteInPlace(name, []byte("other")); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	if data, _ := os.ReadFile(path); string(data) != "text" {
		t.Errorf("the link was followed: %q", data)
	}
}

// A link leads to the file that a write would make, or nowhere.
func TestResolve(t *testing.T) {
	home, err := filepath.EvalSymlinks(t.TempDir())
	testkit.Must(t, err)
	file, link := filepath.Join(home, "file"), filepath.Join(home, "link")
	for name, c := range map[string]struct {
		leads string
		want  string // "" for none
	}{
		"relative":             {"sub/target", filepath.Join(home, "sub", "target")},
		"absolute":             {filepath.Join(home, "sub", "target"), filepath.Join(home, "sub", "target")},
		"into no folder":       {"none/target", ""},
		"to itself":            {"link", ""},
		"to what is not there": {"new", filepath.Join(home, "new")},
	} {
		testkit.Must(t, os.MkdirAll(filepath.Join(home, "sub"), 0o700))
		testkit.Symlink(t, c.leads, link)
		for _, there := range []bool{false, true} {
			if there && c.want != "" {
				testkit.Must(t, os.WriteFile(c.want, nil, 0o600))
			}
			got, err := Resolve(link)
			if got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("%s, there: %v: %q, %v", name, there, got, err)
			}
			if dangling := name == "into no folder"; errors.Is(err, ErrDangling) != dangling {
				t.Errorf("%s: %v", name, err)
			}
		}
		testkit.Must(t, os.Remove(link))
		if c.want != "" {
			testkit.Must(t, os.Remove(c.want))
		}
	}
	if got, err := Resolve(file); got != file || err != nil {
		t.Errorf("nothing there: %q, %v", got, err)
	}
}

// Whether files could go is found out before they do, and nothing is left of it.
func TestDeletable(t *testing.T) {
	folder := t.TempDir()
	testkit.Must(t, Deletable(folder, ".probe-"))
	if entries, _ := os.ReadDir(folder); len(entries) != 0 {
		t.Errorf("left: %v", entries)
	}
	if err := Deletable(filepath.Join(folder, "none"), ".probe-"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in no folder: %v", err)
	}
}

func TestBeside(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{".x-2", ".x-1", "x-3", ".y"} {
		testkit.Must(t, os.WriteFile(filepath.Join(folder, name), nil, 0o600))
	}
	found := Beside(filepath.Join(folder, "file"), ".x-")
	if want := []string{filepath.Join(folder, ".x-1"), filepath.Join(folder, ".x-2")}; fmt.Sprint(found) != fmt.Sprint(want) {
		t.Errorf("found %v, want %v", found, want)
	}
	if found := Beside(filepath.Join(folder, "none", "file"), ".x-"); found != nil {
		t.Errorf("in no folder: %v", found)
	}
}

// F3: only what stands in a file is a reason to move it away; what the kernel says about
// opening it is none.
func TestExplainNeverCostsAFile_F3(t *testing.T) {
	for _, errno := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.EACCES, syscall.EPERM, syscall.EIO, syscall.ESTALE, syscall.ENOTCONN, syscall.EROFS, syscall.EBUSY,
	} {
		if _, hint := Explain(&fs.PathError{Op: "open", Path: "x", Err: errno}); hint == "" || strings.Contains(hint, "move") {
			t.Errorf("%v: %q", errno, hint)
		}
	}
	for _, err := range []error{syscall.ELOOP, syscall.ENOTDIR, errors.New("damaged")} {
		if _, hint := Explain(err); hint != "" {
			t.Errorf("%v: %q", err, hint)
		}
	}
}
