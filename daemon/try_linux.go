//go:build linux && !race

package daemon

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const canTry = true

// takesNoDescriptors says that no client could ever pass this connection a descriptor: a
// connection has the SO_PASSRIGHTS that its listener had when its client connected, and
// only who holds the connection's own descriptor, falcred alone, can set it.
func takesNoDescriptors(fd uintptr) bool {
	takes, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSRIGHTS) // #nosec G115 -- a descriptor
	return err == nil && takes == 0
}

// readNow and writeNow are read(2) and write(2). Where it may be quick, the scheduler is
// not told, as it is by syscall.Read, that the call can take long: a thousand busy
// connections get some 7 % more answers for that.
//
// It may be quick where a socket takes no descriptors: one that came along would be
// closed within the call, which can take as long as its sender likes, and all
// goroutines would wait for it. A kernel that keeps them out collects no descriptors in
// flight within a write either, as those before 6.9 do.
func readNow(fd uintptr, b []byte, quick bool) (int, error) {
	if !quick {
		return syscall.Read(int(fd), b) // #nosec G115 -- a descriptor
	}
	return quickly(syscall.SYS_READ, fd, b)
}

func writeNow(fd uintptr, b []byte, quick bool) (int, error) {
	if !quick {
		return syscall.Write(int(fd), b) // #nosec G115 -- a descriptor
	}
	return quickly(syscall.SYS_WRITE, fd, b)
}

func quickly(call, fd uintptr, b []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b))) // #nosec G103 -- unsafe.Pointer's rule 4
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil // #nosec G115 -- at most len(b)
}
