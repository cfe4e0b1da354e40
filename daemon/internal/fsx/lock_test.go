//go:build linux || darwin || windows

package fsx

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/strict"
)

// F1: a lock waits for nobody and excludes everybody else, this process too.
func TestTryLockPath_F1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := TryLockPath(path)
	if testkit.Must(t, err); lock == nil {
		t.Fatal("nobody has it")
	}
	if other, err := TryLockPath(path); other != nil || err != nil {
		t.Errorf("it was locked twice: %v", err)
	}
	if other, err := TakeLock(path, 2*longestHold); other != nil || err != nil {
		t.Errorf("it was taken away from us: %v", err)
	}
	testkit.Must(t, lock.Close())
	lock, err = TryLockPath(path)
	if testkit.Must(t, err); lock == nil {
		t.Fatal("it was not given back")
	}
	lock.Close()
}

// F1, F6: what stands in the place of a lock file is set aside, and a lock is had all the
// same. No link is followed.
func TestLockFileThatIsNone_F6(t *testing.T) {
	for kind, make := range map[string]func(path, other string) error{
		"a link":          func(p, other string) error { return testkit.TrySymlink(other, p) },
		"a dangling link": func(p, other string) error { return testkit.TrySymlink(other+".none", p) },
		"a FIFO":          func(p, _ string) error { return testkit.Mkfifo(p) },
		"a folder":        func(p, _ string) error { return os.MkdirAll(filepath.Join(p, "in it"), 0o700) },
		"mode 000":        func(p, _ string) error { return os.WriteFile(p, nil, 0) },
		"mode 0444":       func(p, _ string) error { return os.WriteFile(p, nil, 0o444) },
		"a second name":   func(p, other string) error { return os.Link(other, p) },
	} {
		t.Run(kind, func(t *testing.T) {
			home := t.TempDir()
			path, other := filepath.Join(home, "lock"), filepath.Join(home, "other")
			if kind[:4] == "mode" || kind == "a second name" {
				testkit.InWine(t, "such a file opens all the same, is not removed, and not replaced while it is open")
			}
			testkit.Must(t, testkit.WriteFile(other, "theirs"))
			if testkit.NotHere(t, kind, make(path, other)) {
				return
			}
			lock, err := TryLockPath(path)
			testkit.Must(t, err)
			defer lock.Close()
			info, err := disk.Lstat(path)
			if err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != 0o600 && !(os.Geteuid() == 0 && kind[:4] == "mode") || HardLinks(info) != 1 {
				t.Errorf("there is %v, %v", info.Mode(), err)
			}
			if locked, err := TryLockPath(other); err != nil || locked == nil && kind != "a second name" {
				t.Errorf("the other file is locked, too: %v", err)
			} else if locked != nil {
				locked.Close()
			}
			if data, _ := os.ReadFile(other); string(data) != "theirs" {
				t.Errorf("the other file holds %q", data)
			}
			if set := len(strict.Aside(filepath.Dir(path))); set > 1 || set == 0 != (info.Mode().IsRegular() && kind[:4] == "mode" || kind == "a second name") {
				t.Errorf("%d are set aside", set)
			}
		})
	}
}

// F1: one that others can open is made anew by whoever gets it: what they have open by then
// locks nothing. Who waits for the old one waits for as long as for the new.
func TestExposedLockFileIsMadeAnew_F1(t *testing.T) {
	testkit.InWine(t, "it replaces no file that is open")
	for _, mode := range []fs.FileMode{0o644, 0o640, 0o602} {
		path := filepath.Join(t.TempDir(), "lock")
		testkit.Must(t, os.WriteFile(path, nil, 0o600))
		testkit.Must(t, disk.Chmod(path, mode))
		theirs, err := disk.OpenFile(path, os.O_RDONLY, 0) // as another user has it open: a descriptor is all that flock(2) wants
		testkit.Must(t, err)
		defer theirs.Close()
		lock, err := TryLockPath(path)
		testkit.Must(t, err)
		if info, err := disk.Lstat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("its mode: %v, %v", info.Mode(), err)
		}
		if named, _ := disk.Lstat(path); true {
			if held, err := lock.Stat(); err != nil || !disk.SameFile(named, held) {
				t.Errorf("what is locked is not what the path names: %v", err)
			}
		}
		if disk.TryLock(theirs) == nil {
			t.Error("who waits for the old one is let in beside us")
		}
		lock.Close()
		testkit.Must(t, disk.TryLock(theirs)) // for ever
		if lock, err = TryLockPath(path); err != nil || lock == nil {
			t.Fatalf("a descriptor of the old one keeps us out: %v", err)
		}
		lock.Close()
		if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
			t.Errorf("left beside it: %v", left)
		}
	}
}

// F1: a copy of a file is nobody else's to lock.
func TestCopyAnew_F1(t *testing.T) {
	testkit.InWine(t, "it replaces no file that is open")
	path := filepath.Join(t.TempDir(), "file")
	testkit.Must(t, os.WriteFile(path, []byte("content"), 0o644))
	theirs, err := disk.OpenFile(path, os.O_RDONLY, 0)
	testkit.Must(t, err)
	defer theirs.Close()
	testkit.Must(t, disk.TryLock(theirs))
	testkit.Must(t, CopyAnew(path, 64))
	if data, _ := os.ReadFile(path); string(data) != "content" {
		t.Errorf("it holds %q", data)
	}
	ours, err := disk.OpenFile(path, os.O_RDONLY, 0)
	testkit.Must(t, err)
	defer ours.Close()
	testkit.Must(t, disk.TryLock(ours))
}

// F1: a lock file is not put in the place of a newer one, which a neighbour may have locked
// who looks no second time: whoever has unlocked the old one unlinks it then.
func TestNoLockFileForANewerOne_F1(t *testing.T) {
	testkit.InWine(t, "it replaces no file that is open")
	path := filepath.Join(t.TempDir(), "lock")
	testkit.Must(t, os.WriteFile(path, nil, 0o644))
	old, err := tryLock(path)
	if testkit.Must(t, err); old == nil {
		t.Fatal("nobody has it")
	}
	defer old.Close()
	info, err := old.Stat()
	testkit.Must(t, err)
	testkit.Must(t, os.Remove(path))
	theirs, err := disk.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	testkit.Must(t, err)
	defer theirs.Close()
	testkit.Must(t, disk.TryLock(theirs))
	if fresh, err := lockAnew(path, info); err == nil {
		fresh.Close()
		t.Error("two have the lock")
	}
	their, err := theirs.Stat()
	testkit.Must(t, err)
	if named, err := disk.Lstat(path); err != nil || !disk.SameFile(named, their) {
		t.Errorf("theirs is gone: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("left beside it: %v", left)
	}
}
