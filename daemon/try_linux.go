package daemon

import (
	"syscall"
	"unsafe"
)

const hasTries = true

// readNow and writeNow do what can be done at once, and are EAGAIN where nothing can.
// The sockets of package net do not block, so the scheduler is not told of the call, as
// it would be of one that may take long: with a thousand busy connections that is a
// tenth of the work.
func readNow(fd uintptr, b []byte) (int, error)  { return try(syscall.SYS_READ, fd, b) }
func writeNow(fd uintptr, b []byte) (int, error) { return try(syscall.SYS_WRITE, fd, b) }

func try(call, fd uintptr, b []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b))) // #nosec G103 -- unsafe.Pointer's rule 4
		switch errno {
		case 0:
			return int(n), nil // #nosec G115 -- at most len(b)
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, syscall.EAGAIN // a constant: errno as an error would be allocated
		default:
			return 0, errno
		}
	}
}
