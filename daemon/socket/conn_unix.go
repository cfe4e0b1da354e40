//go:build linux || darwin

package socket

import (
	"context"
	"net"
)

// Conn is the daemon's end of a connection.
type Conn = net.UnixConn

// Listener takes connections.
type Listener = net.UnixListener

func dial(ctx context.Context, path string) (*Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}
