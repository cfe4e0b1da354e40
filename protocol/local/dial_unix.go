//go:build unix

package local

import (
	"os"
	"syscall"
)

// Conn is a client's end. Package net would be a fifth of the exec'ed program, and much of
// its start; to os a socket is a file that it can poll.
type Conn = os.File

// Dial connects to the socket at path. It never waits: a full queue is EAGAIN on Linux.
func Dial(path string) (*Conn, error) {
	syscall.ForkLock.RLock() // no child that starts between the two calls inherits it
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err = syscall.SetNonblock(fd, true); err == nil {
		err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
	}
	if err != nil {
		syscall.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	return os.NewFile(uintptr(fd), path), nil
}
