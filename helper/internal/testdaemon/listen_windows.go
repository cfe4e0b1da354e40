package testdaemon

import (
	"net"
	"os"

	"github.com/falcred/falcred/protocol/local"
)

// Listen is net.Listen for a daemon's address.
func Listen(path string) (net.Listener, error) {
	l, err := local.Listen(path)
	if err != nil {
		return nil, err
	}
	return listener{l, path}, nil
}

// Stale leaves an address where nobody listens any more.
func Stale(path string) error {
	l, err := local.Listen(path)
	if err != nil {
		return err
	}
	return l.Close()
}

// listener removes the address when it ends, as net's does.
type listener struct {
	*local.Listener
	path string
}

func (l listener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.AcceptUnix()
	if err != nil {
		return nil, err
	}
	return conn{c}, nil
}

func (l listener) Close() error {
	os.Remove(l.path)
	return l.Listener.Close()
}

type conn struct{ *local.Conn }

func (conn) LocalAddr() net.Addr  { return nil }
func (conn) RemoteAddr() net.Addr { return nil }
