//go:build unix

package testdaemon

import "net"

// Listen is net.Listen for a daemon's address.
func Listen(path string) (net.Listener, error) { return net.Listen("unix", path) }

// Stale leaves an address where nobody listens any more.
func Stale(path string) error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		return err
	}
	l.SetUnlinkOnClose(false)
	return l.Close()
}
