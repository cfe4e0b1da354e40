package disk

import (
	"errors"
	"syscall"
	"unsafe"
)

var (
	ntdll        = syscall.NewLazyDLL("ntdll.dll")
	kernel32     = syscall.NewLazyDLL("kernel32.dll") // a KnownDLL: never from another folder
	lockFileEx   = kernel32.NewProc("LockFileEx")
	unlockFileEx = kernel32.NewProc("UnlockFileEx")
)

// lockedByte is the one that is locked. Locks are mandatory here, so it is none that any file
// of ours has: whoever holds the lock is read in it. It is the last of those that
// portalocker locks of .portalock, the first 2^31-1.
const lockedByte = 1<<31 - 2

// flock locks by the open file, as flock(2) does: another opening of the same file in this
// process is another owner, and a process that ends gives it back.
func flock(f File) error {
	const exclusively, atOnce = 2, 1 // LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY
	at := syscall.Overlapped{Offset: lockedByte}
	// #nosec G103 -- a call of the system
	ok, _, err := lockFileEx.Call(f.(*file).Fd(), exclusively|atOnce, 0, 1, 0, uintptr(unsafe.Pointer(&at)))
	switch {
	case ok != 0:
		return nil
	case errors.Is(err, errLockViolation), errors.Is(err, syscall.ERROR_IO_PENDING):
		return syscall.EWOULDBLOCK
	}
	return err
}

// funlock: closing the file gives it back too, but at a moment of the system's choice.
func funlock(f File) {
	at := syscall.Overlapped{Offset: lockedByte}
	unlockFileEx.Call(f.(*file).Fd(), 0, 1, 0, uintptr(unsafe.Pointer(&at))) // #nosec G103 -- a call of the system
}
