package socket

import (
	"errors"
	"os"

	"github.com/falcred/falcred/protocol/disk"
	"golang.org/x/sys/unix"
)

// longestQueue of clients that wait is the system's own limit, to which the kernel lowers it.
const longestQueue = 1<<16 - 1

// listenAgain has the kernel tell who connects our number: it says who has called listen(2) last.
func listenAgain(fd uintptr) {
	unix.Listen(int(fd), longestQueue) // #nosec G115 -- a descriptor
}

// lockAgain has /proc/locks name this process, and not the one that took the lock and ends: by
// that table a service finds whom to end. A lock that is changed into the other kind is made anew,
// by whoever asks, in one step: nobody has a shared one, so that nobody can come in between.
func lockAgain(file disk.File) error {
	f, ok := file.(*os.File)
	if !ok {
		return errors.ErrUnsupported
	}
	fd := int(f.Fd()) // #nosec G115 -- a descriptor
	if err := unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB); err != nil {
		return err
	}
	return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
}
