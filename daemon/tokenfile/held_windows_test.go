package tokenfile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/disk"
	"golang.org/x/sys/windows"
)

// F2: a token file that somebody has open, so that nobody can replace it, is written in place.
func TestHeldIsWrittenInPlace_F2(t *testing.T) {
	said := ""
	f := In(t.TempDir(), func(text string) { said += text })
	testkit.Must(t, testkit.WriteFile(f.Path, "old, and longer than what comes"))
	holder, err := os.Open(f.Path) // as most programs do
	testkit.Must(t, err)
	defer holder.Close()
	ours := TokenPair{"refresh", "access"}
	testkit.Must(t, f.Replace(f.Path, ours, func() error { return nil }))
	if got := f.Read(); got.Pair != ours || !strings.Contains(said, "another program keeps it open") {
		t.Errorf("%v: %v, said %q", got.State, got.Err, said)
	}
	if left := fsx.Temporaries(f.Path); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// F2: one that others can read is not: who has opened it would read what is written. It is
// replaced once they let go of it, and is nobody else's from then on.
func TestReadByOthersIsNotWrittenInPlace_F2(t *testing.T) {
	f := In(t.TempDir(), nil)
	testkit.Must(t, os.WriteFile(f.Path, []byte("old"), 0o600))
	testkit.Must(t, disk.Chmod(f.Path, 0o644))
	holder, err := os.Open(f.Path)
	testkit.Must(t, err)
	defer holder.Close()
	if got := f.Read(); got.State != Holds || got.Pair.Refresh != "old" {
		t.Errorf("%v: %v", got.State, got.Err)
	}
	ours := TokenPair{"refresh", "access"}
	if err := f.Replace(f.Path, ours, func() error { return nil }); err == nil {
		t.Error("it was written")
	}
	buf := make([]byte, 100)
	if n, _ := holder.ReadAt(buf, 0); string(buf[:n]) != "old" {
		t.Errorf("the other reads %q", buf[:n])
	}
	holder.Close()
	testkit.Must(t, f.Replace(f.Path, ours, func() error { return nil }))
	if info, err := disk.Stat(f.Path); err != nil || fsx.OthersCanRead(info) || f.Read().Pair != ours {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// F1, S8: portalocker locks the first 2^31-1 bytes (msvcrt.locking), or all (LockFileEx): each
// keeps us out, and we keep each out.
func TestPortalockerOfWindows_F1(t *testing.T) {
	for name, length := range map[string]uint64{"msvcrt.locking": 1<<31 - 1, "LockFileEx": 0xffff0000_00000000} {
		home := t.TempDir()
		theirs, err := os.OpenFile(filepath.Join(home, LockName), os.O_RDWR|os.O_CREATE, 0o600)
		testkit.Must(t, err)
		lock := func() error {
			return windows.LockFileEx(windows.Handle(theirs.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0,
				uint32(length), uint32(length>>32), new(windows.Overlapped))
		}
		testkit.Must(t, lock())
		short, cancel := context.WithTimeout(t.Context(), 2*LockPoll)
		if l, err := Acquire(short, home); err == nil {
			l.Release()
			t.Errorf("%s: we got what they hold", name)
		}
		cancel()
		testkit.Must(t, windows.UnlockFileEx(windows.Handle(theirs.Fd()), 0, uint32(length), uint32(length>>32), new(windows.Overlapped)))
		l, err := Acquire(t.Context(), home)
		testkit.Must(t, err)
		if err := lock(); !errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
			t.Errorf("%s: they got what we hold: %v", name, err)
		}
		l.Release()
		theirs.Close()
	}
}
