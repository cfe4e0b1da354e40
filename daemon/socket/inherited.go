//go:build linux || darwin

package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/falcred/falcred/daemon/internal/fsx"
)

// inheritedListener is the socket that systemd hands over (sd_listen_fds(3)), or nil.
// The variables that say so are for one process and not its children, and are gone
// afterwards.
func inheritedListener() (*net.UnixListener, error) {
	files := activation.Files(true)
	switch {
	case len(files) == 0:
		return nil, nil
	case len(files) > 1:
		return nil, fmt.Errorf("systemd passed %d sockets, and falcred takes one\nkeep one ListenStream= in falcred.socket", len(files))
	}
	file := files[0]
	defer file.Close() // FileListener makes its own descriptor
	if raw, err := file.SyscallConn(); err == nil {
		raw.Control(refuseDescriptors) // where the kernel can, from the next connection on
	}
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("the descriptor from systemd is not a listening socket: %w\ngive ListenStream= in falcred.socket an absolute path", err)
	}
	// Package net has the same type for ListenDatagram= and ListenSequentialPacket=.
	if unixListener, ok := listener.(*net.UnixListener); ok && listener.Addr().Network() == "unix" {
		return unixListener, nil
	}
	listener.Close()
	return nil, errors.New("the socket from systemd is not a Unix stream socket\ngive ListenStream= in falcred.socket an absolute path")
}

// inherit takes the lock of an inherited socket. Its file is systemd's: its mode is not
// changed, and it is not removed (S2). One whose name was taken away (`rm -r` of the home)
// reaches nobody until systemd makes it anew, so that until then falcred makes its own.
func inherit(ctx context.Context, listener *net.UnixListener) (s *Socket, err error) {
	defer func() {
		if err != nil {
			listener.Close()
		}
	}()
	path := listener.Addr().String()
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("the socket from systemd has no absolute path (%q)\ngive ListenStream= in falcred.socket an absolute path", path)
	}
	if err := checkFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	lock, err := claimFrom(ctx, path, true)
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		listener.Close()
		lock.Close()
		return listenAt(path, func(path string) (*fsx.Lock, error) { return claimFrom(ctx, path, false) })
	}
	s = &Socket{path: path, listener: listener, bound: info, inherited: true, lock: lock}
	if err == nil && fsx.OthersCanRead(info) {
		s.warnings = append(s.warnings, "others can connect to the socket from systemd, and are denied\nset SocketMode=0600 in falcred.socket")
	}
	return s, nil
}
