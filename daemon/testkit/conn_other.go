//go:build !windows

package testkit

import "net"

// Conn is one end of a connection.
type Conn = net.UnixConn

// Listener is a daemon's, or of something that stands for one.
type Listener = net.UnixListener

// Dial connects to a daemon.
func Dial(socket string) (*Conn, error) {
	return net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
}

// Listen is for what stands for a daemon. Closing it leaves what it has at the path, as a
// daemon does that is killed.
func Listen(socket string) (*Listener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err == nil {
		l.SetUnlinkOnClose(false)
	}
	return l, err
}
