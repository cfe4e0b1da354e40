package socket

import (
	"context"
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// listenPrivate makes a socket that is 0600 from its first moment (S2). Linux
// takes the mode of the file that bind(2) makes from the socket's own inode,
// less the umask; so nothing process-wide is touched, and the path never names
// anything else.
//
// Nor can a client pass it descriptors, where the kernel knows SO_PASSRIGHTS (6.16):
// whoever closes one last has to wait for its file to end, which is its sender's affair.
func listenPrivate(path string) (*net.UnixListener, error) {
	private := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		ctlErr := raw.Control(func(fd uintptr) {
			err = unix.Fchmod(int(fd), 0o600)
			refuseDescriptors(fd)
		})
		return errors.Join(ctlErr, err)
	}}
	listener, err := private.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	return listener.(*net.UnixListener), nil
}

// refuseDescriptors holds for connections that are made from now on.
func refuseDescriptors(fd uintptr) {
	unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSRIGHTS, 0)
}
