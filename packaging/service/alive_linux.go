package service

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// alive says whether a process of ours runs; 0 is none. One that nobody waits for, as in a
// container without an init, has ended all the same: its pidfd knows.
func alive(pid int) bool {
	if pid <= 0 || syscall.Kill(pid, 0) != nil { // gone, or its number is another user's by now
		return false
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil { // an old kernel, a filter of system calls, or no room for a descriptor
		return err != unix.ESRCH
	}
	defer unix.Close(fd)
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0) // #nosec G115 -- a descriptor
	return err != nil || n == 0
}
