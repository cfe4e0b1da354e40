//go:build linux || darwin || windows

package tokenfile

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/disk"
)

// F1: the lock follows the path when a neighbour unlinks its file, and is
// never unlinked by us.
func TestF1LockFollowsThePath(t *testing.T) {
	testkit.InWine(t, "a file that is open keeps its name when it is removed")
	home := t.TempDir()
	path := filepath.Join(home, LockName)
	ctx := context.Background()
	h, err := Acquire(ctx, home)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(path) // as portalocker does, whoever holds it
	if err := h.Confirm(ctx); err != nil {
		t.Fatal(err)
	}
	if len(h.locks) != 2 {
		t.Fatalf("%d files locked, want the old and the new one", len(h.locks))
	}
	short, cancel := context.WithTimeout(ctx, 3*LockPoll)
	defer cancel()
	if other, err := Acquire(short, home); err == nil {
		other.Release()
		t.Fatal("the new file was not locked")
	}
	h.Release()
	if _, err := disk.Stat(path); err != nil {
		t.Fatal("release unlinked the lock file")
	}
	if info, err := disk.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode: %v, %v", info, err)
	}
	again, err := Acquire(ctx, home)
	if err != nil {
		t.Fatal(err)
	}
	again.Release()
}

// F1: many owners, and some of them unlink the file when they are done, as neighbours do.
// As long as everybody compares, exclusion holds: who has waited for a file that is
// unlinked by then has not got the lock.
func TestF1ExclusionAmongThoseWhoCompare(t *testing.T) {
	testkit.InWine(t, "a file that is open keeps its name when it is removed")
	home := t.TempDir()
	path := filepath.Join(home, LockName)
	var inside, rounds atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 50 {
				l, err := Acquire(context.Background(), home)
				if err != nil {
					t.Error(err)
					return
				}
				if inside.Add(1) != 1 {
					t.Error("two holders at once")
				}
				rounds.Add(1)
				if i%2 == 0 {
					time.Sleep(100 * time.Microsecond) // others open the file meanwhile
				}
				inside.Add(-1)
				if i%2 == 0 {
					os.Remove(path)
				}
				l.Release()
			}
		})
	}
	group.Wait()
	if rounds.Load() != 400 {
		t.Fatalf("%d rounds, want 400", rounds.Load())
	}
}

// F1: the same without a pause between two tries, so that a file is often unlinked between
// its opening and its locking: a lock on that one excludes nobody.
func TestF1AnUnlinkedFileIsNoLock(t *testing.T) {
	testkit.InWine(t, "a file that is open keeps its name when it is removed")
	home := t.TempDir()
	path := filepath.Join(home, LockName)
	ended, cancel := context.WithCancel(t.Context())
	cancel() // who finds it held does not wait
	var inside, rounds atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for rounds.Load() < 600 && !t.Failed() {
				l, err := Acquire(ended, home)
				if err != nil {
					continue
				}
				if inside.Add(1) != 1 {
					t.Error("two holders at once")
				}
				rounds.Add(1)
				runtime.Gosched()
				inside.Add(-1)
				os.Remove(path)
				l.Release()
			}
		})
	}
	group.Wait()
}

// F1: a lock that is held too long is an error that names it and says how long, and it
// is asked for until then.
func TestF1HeldLock(t *testing.T) {
	home := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		other, err := Acquire(t.Context(), home)
		testkit.Must(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), LockWait)
		defer cancel()
		_, err = Acquire(ctx, home)
		if want := "another process has held " + filepath.Join(home, LockName) + " for 25 seconds"; err == nil || err.Error() != want {
			t.Errorf("%v, want %q", err, want)
		}
		time.AfterFunc(time.Minute, other.Release)
		begun := time.Now()
		mine, err := Acquire(t.Context(), home)
		testkit.Must(t, err)
		mine.Release()
		if waited := time.Since(begun); waited < time.Minute || waited > time.Minute+LockPoll {
			t.Errorf("it waited for %v", waited)
		}
	})
}

// F1: whoever unlinks without a pause does not have us keep all the files.
func TestF1FewFilesAreKept(t *testing.T) {
	testkit.InWine(t, "a file that is open keeps its name when it is removed")
	home := t.TempDir()
	l, err := Acquire(t.Context(), home)
	testkit.Must(t, err)
	defer l.Release()
	for range 3 * maxLocks {
		testkit.Must(t, os.Remove(l.path))
		testkit.Must(t, l.Confirm(t.Context()))
	}
	if len(l.locks) != maxLocks {
		t.Errorf("%d files are kept, want %d", len(l.locks), maxLocks)
	}
	if current, err := l.current(); err != nil || !current {
		t.Errorf("the last one is not what the path names: %v", err)
	}
}

// F6: the lock follows no link, waits for no FIFO (they are set aside), and the home is looked
// at each time.
func TestLockOfASwappedHome_F6(t *testing.T) {
	above := t.TempDir()
	home := filepath.Join(above, "home")
	path := filepath.Join(home, LockName)
	testkit.Must(t, os.Mkdir(home, 0o700))
	l, err := Acquire(t.Context(), home)
	testkit.Must(t, err)
	defer l.Release()
	testkit.Must(t, disk.Chmod(above, 0o777))
	_, err = Acquire(t.Context(), home)
	for name, err := range map[string]error{"a new one": err, "one that is held": l.Confirm(t.Context())} {
		if err == nil || !strings.Contains(err.Error(), above+" can be written by others") {
			t.Errorf("%s: %v", name, err)
		}
	}
	testkit.Must(t, disk.Chmod(above, 0o755))
	testkit.Must(t, l.Confirm(t.Context()))
	for _, make := range []func() error{
		func() error { return testkit.TrySymlink(filepath.Join(above, "target"), path) },
		func() error { return mkfifo(path) },
	} {
		if runtime.GOOS == "windows" { // what is open and locked may keep its name
			break
		}
		testkit.Must(t, os.Remove(path))
		testkit.Must(t, make())
		testkit.Must(t, l.Confirm(t.Context()))
		if info, err := disk.Lstat(path); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%v, %v", info, err)
		}
	}
	if _, err := disk.Lstat(filepath.Join(above, "target")); err == nil {
		t.Error("the link was followed")
	}
}

// F1: a lock file that others could open is made anew before anybody is asked to wait, and
// after that a descriptor of theirs locks nothing.
func TestExposedLockIsOursAlone_F1(t *testing.T) {
	testkit.InWine(t, "it replaces no file that is open")
	home := t.TempDir()
	path := filepath.Join(home, LockName)
	testkit.Must(t, os.WriteFile(path, nil, 0o644)) // as a portalocker that was killed leaves it
	theirs, err := disk.OpenFile(path, os.O_RDONLY, 0)
	testkit.Must(t, err)
	defer theirs.Close()
	first, err := Acquire(t.Context(), home)
	testkit.Must(t, err)
	if disk.TryLock(theirs) == nil {
		t.Error("a neighbour that waits for the old file is let in beside us")
	}
	testkit.Must(t, first.Confirm(t.Context()))
	first.Release()
	testkit.Must(t, disk.TryLock(theirs)) // for ever
	short, cancel := context.WithTimeout(t.Context(), 3*LockPoll)
	defer cancel()
	again, err := Acquire(short, home)
	testkit.Must(t, err)
	again.Release()
}

// F1: the orders in which versions of portalocker end their hold: unlocking and then
// unlinking (2.x), unlinking and then unlocking (4.x), unlinking at exit what somebody else
// holds. Whoever compares is alone each time, and waits for nobody who has ended.
func TestEachOrderOfRelease_F1(t *testing.T) {
	testkit.InWine(t, "a file that is open keeps its name when it is removed")
	for name, release := range map[string]func(file disk.File){
		"2.x":     func(f disk.File) { f.Close(); os.Remove(f.Name()) },
		"4.x":     func(f disk.File) { os.Remove(f.Name()); f.Close() },
		"killed":  func(f disk.File) { f.Close() },
		"no lock": func(f disk.File) { os.Remove(f.Name()) }, // it ends, and holds what nothing names
	} {
		home := t.TempDir()
		theirs, err := disk.OpenFile(filepath.Join(home, LockName), os.O_CREATE|os.O_RDWR, 0o644)
		testkit.Must(t, err)
		testkit.Must(t, disk.TryLock(theirs))
		ended, cancel := context.WithTimeout(t.Context(), 2*LockPoll)
		if l, err := Acquire(ended, home); err == nil {
			l.Release()
			t.Errorf("%s: we are let in beside it", name)
		}
		cancel()
		release(theirs)
		l, err := Acquire(t.Context(), home)
		testkit.Must(t, err)
		testkit.Must(t, l.Confirm(t.Context()))
		if current, err := l.current(); !current || err != nil {
			t.Errorf("%s: %v, %v", name, current, err)
		}
		l.Release()
		theirs.Close()
	}
}
