//go:build unix && !aix

package fsx

import (
	"os"

	"golang.org/x/sys/unix"
)

// TryLock locks an open file (flock(2)) for as long as it is open, and waits for nobody:
// it fails where another has it locked.
func TryLock(file *os.File) error {
	return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}
