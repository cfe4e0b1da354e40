package fsx

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// S10: a lock on a file of the same inode number on another file system is another's.
func TestLockHolderByDevice_S10(t *testing.T) {
	table := []byte(`1: FLOCK  ADVISORY  WRITE 666 00:2a:77 0 EOF
2: POSIX  ADVISORY  READ  42 fe:00:77 0 EOF
3: FLOCK  ADVISORY  WRITE 1234 fe:00:77 0 EOF
3: -> FLOCK  ADVISORY  WRITE 99 fe:00:77 0 EOF
4: POSIX  ADVISORY  READ  43 00:2a:77 0 EOF
5: FLOCK  ADVISORY  WRITE 667 fe:00:177 0 EOF
`)
	for own, want := range map[int]int{42: 1234, 43: 666, 44: 0} {
		if got := flockOf(table, own, ":77"); got != want {
			t.Errorf("for %d: %d, want %d", own, got, want)
		}
	}
}

// F1: the kernel says who holds a lock, and of which user that process is.
func TestLockHolder_F1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if pid, _, known := LockHolder(path); pid != 0 || known {
		t.Errorf("no file, and %d holds it", pid)
	}
	lock, err := TryLockPath(path)
	testkit.Must(t, err)
	if pid, uid, known := LockHolder(path); pid != os.Getpid() || uid != os.Geteuid() || !known {
		t.Errorf("held by %d of %d, %v", pid, uid, known)
	}
	lock.Close()
	if pid, _, known := LockHolder(path); pid != 0 || known {
		t.Errorf("nobody has it, and %d holds it", pid)
	}
}

// F1: who runs another's program, su's say, keeps a lock as himself.
func TestLockHolderBySetuid_F1(t *testing.T) {
	for status, want := range map[string]int{
		"Name:\tsu\nUmask:\t0022\nUid:\t1001\t0\t0\t0\nGid:\t1001\t0\t0\t0\n": 1001,
		"Name:\tcron\nUid:\t0\t1000\t0\t1000\n":                               0,
		"Name:\tx\nUid:\t65534\t0\t0\t0\n":                                    -1,
		"Name:\tx\nUid:\n":                                                    -1,
		"":                                                                    -1,
	} {
		if uid, known := userIn(status); known != (want >= 0) || known && uid != want {
			t.Errorf("%q: %d, %v", status, uid, known)
		}
	}
}
