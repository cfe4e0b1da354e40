package socket

import (
	"golang.org/x/sys/unix"
)

// PeerPID is the number of the process at the other end, which connected or called
// listen, by the kernel's word (SO_PEERCRED). It is 0 where that cannot be known: in
// another pid namespace, say. It names a process for a log, and proves nothing: that one
// may have ended, and its number be another's.
func PeerPID(c *Conn) (pid int) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil { // #nosec G115 -- a descriptor
			pid = int(cred.Pid)
		}
	})
	return max(pid, 0)
}
