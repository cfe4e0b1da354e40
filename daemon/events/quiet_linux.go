package events

import (
	"os"

	"golang.org/x/sys/unix"
)

// Quiet is for a command in which somebody is about to log in: no notification about the
// home is shown until end, or the process's end. Where the system refuses that, one may be.
//
// It is a lock on the home's folder, for reading, which excludes nobody: it is only asked
// after. It leaves no file behind, and a crash does not either.
func Quiet(home string) (end func()) {
	folder, err := os.Open(home)
	if err != nil {
		return func() {}
	}
	lock := unix.Flock_t{Type: unix.F_RDLCK}
	unix.FcntlFlock(folder.Fd(), unix.F_OFD_SETLK, &lock)
	return func() { folder.Close() }
}

// loginWaits says whether somebody is Quiet.
func loginWaits(home string) bool {
	folder, err := os.Open(home)
	if err != nil {
		return false
	}
	defer folder.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK} // which a lock for reading would keep from us
	err = unix.FcntlFlock(folder.Fd(), unix.F_OFD_GETLK, &lock)
	return err == nil && lock.Type == unix.F_RDLCK
}
