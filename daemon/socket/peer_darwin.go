package socket

import (
	"golang.org/x/sys/unix"
)

// PeerPID is the process at the other end, by the kernel's word (LOCAL_PEERPID), or 0.
// Untested on a real macOS.
func PeerPID(c *Conn) (pid int) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	raw.Control(func(fd uintptr) {
		if got, err := unix.GetsockoptInt(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERPID); err == nil {
			pid = got
		}
	})
	return max(pid, 0)
}
