//go:build linux && !race

package daemon

import (
	"syscall"
	"unsafe"
)

const canBeQuick = true

// readQuick and writeQuick do what the kernel can do at once, and return EAGAIN where
// that is nothing. The scheduler is not told, as it is by syscall.Read, that the call
// may take long: a thousand busy connections get some 7 % more answers for that.
//
// They are for a socket that does not block and is quick (socket.quick): a descriptor
// that came along would be closed within the call, which can take as long as its
// sender likes, and all goroutines would wait for it. A kernel that keeps them out
// collects no descriptors in flight within a write either, as those before 6.9 do.
//
// Nor is the race detector told, which has to know what passes between goroutines
// through a socket: under it, these are not used.
func readQuick(fd uintptr, b []byte) (int, error)  { return quickly(syscall.SYS_READ, fd, b) }
func writeQuick(fd uintptr, b []byte) (int, error) { return quickly(syscall.SYS_WRITE, fd, b) }

func quickly(call, fd uintptr, b []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b))) // #nosec G103 -- unsafe.Pointer's rule 4
		switch errno {
		case 0:
			return int(n), nil // #nosec G115 -- at most len(b)
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
