package daemon

import "golang.org/x/sys/unix"

// endHolder asks the process that has written its number into the lock file to
// end. Who holds a lock is not told here, so the number has to do. Untested.
func endHolder(_ string, pid int) { unix.Kill(pid, unix.SIGTERM) }
