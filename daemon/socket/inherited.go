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

// inheritedListener is its listener.
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

// Inherited is the socket that systemd hands over (sd_listen_fds(3)), or nil. It has no lock
// yet, and nothing about its path has been looked at: give it to [Open]. The first call
// alone returns one, since the descriptor is for one use.
func Inherited() (*Socket, error) {
	listener, err := inheritedListener()
	if listener == nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	return &Socket{path: listener.Addr().String(), listener: listener, inherited: true}, nil
}

// inherit takes the lock of an inherited socket. Its file is systemd's: its mode is not
// changed, and it is not removed (S2). One whose name was taken away (`rm -r` of the home)
// reaches nobody until systemd makes it anew, so that until then falcred makes its own.
func inherit(ctx context.Context, s *Socket) (*Socket, error) {
	if !filepath.IsAbs(s.path) {
		return nil, fmt.Errorf("the socket from systemd has no absolute path (%q)\ngive ListenStream= in falcred.socket an absolute path", s.path)
	}
	if err := checkFolder(filepath.Dir(s.path)); err != nil {
		return nil, err
	}
	lock, err := claimFrom(ctx, s.path, true)
	if err != nil {
		return nil, err
	}
	info, err := os.Lstat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		s.listener.Close()
		lock.Close()
		return listenAt(s.path, func(path string) (*fsx.Lock, error) { return claimFrom(ctx, path, false) })
	}
	s.bound, s.lock = info, lock
	if err == nil && fsx.OthersCanRead(info) {
		s.warnings = append(s.warnings, "others can connect to the socket from systemd, and are denied\nset SocketMode=0600 in falcred.socket")
	}
	return s, nil
}
