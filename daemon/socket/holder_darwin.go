package socket

import "golang.org/x/sys/unix"

// endHolder sends SIGTERM to the process at the other end of a connection that it has
// just answered on, unless that is not to be signalled. Who holds a lock is not known
// here, nor can a number be pinned. Untested on a real macOS.
func endHolder(_ string, peer, not int) (pid int, err error) {
	if peer <= 1 || peer == not {
		return 0, nil
	}
	return peer, unix.Kill(peer, unix.SIGTERM)
}
