package daemon

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerPID is the process that connected, or listened, by the kernel's word
// (SO_PEERCRED). It is 0 where that cannot be known: in another pid namespace, say.
func peerPID(c *net.UnixConn) (pid int) {
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
