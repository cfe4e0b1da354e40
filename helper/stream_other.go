//go:build !unix

package helper

import "net"

type stream = net.UnixConn

func openStream(path string) (*stream, error) {
	return net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
}
