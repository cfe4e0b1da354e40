//go:build unix && !aix

package daemon

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockPlace marks a place as in use, for as long as the file is open.
func lockPlace(file *os.File) error {
	return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}
