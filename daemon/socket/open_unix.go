//go:build linux || darwin

package socket

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// probeTimeout bounds the question whether somebody serves on a socket. A
// connect to a Unix socket does not wait for its server.
const probeTimeout = time.Second

// OpenShared makes the socket for the users whose uids are given, or for ourselves from
// elsewhere where none are. Others have to be able to connect to it: what keeps strangers
// out is the kernel's word about them (package peer), and the folder's mode.
func OpenShared(path string, uids []int) (*Socket, error) {
	s, err := listenAt(path, claim)
	if err != nil {
		return nil, err
	}
	if len(uids) > 0 {
		if err := os.Chmod(path, 0o666); err != nil { // #nosec G302 -- peer.Check lets in the users named
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// holdsNoSocket tells a file system without sockets, locks, writing or room from a
// mistake that a person has to correct.
func holdsNoSocket(err error) bool {
	for _, errno := range []unix.Errno{unix.EPERM, unix.ENOTSUP, unix.EOPNOTSUPP, unix.ENOSYS, unix.ENOLCK, unix.EROFS, unix.EINVAL, unix.ENOSPC, unix.EDQUOT} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return errors.Is(err, errModeIgnored)
}

var errModeIgnored = errors.New("its file system does not keep a socket's mode")

// bind makes the socket, whose path is free.
func bind(path string) (*Socket, error) {
	listener, err := listenPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	listener.SetUnlinkOnClose(false) // Remove compares first whose it is
	s := &Socket{path: path, listener: listener}
	if s.bound, err = os.Lstat(path); err == nil && s.bound.Mode().Perm() != 0o600 {
		err = fmt.Errorf("%s: %w", path, errModeIgnored)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// clearStale removes a socket that nobody serves (S2). The lock keeps every
// other falcred out. What remains is a program that is none, binds this very
// path and is probed before it listens: it would lose its name.
func clearStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is not a socket\nmove it away, or set FALCRED_SOCKET to another path", path)
	}
	conn, err := net.DialTimeout("unix", path, probeTimeout)
	switch {
	case err == nil:
		conn.Close()
		return fmt.Errorf("another program uses the socket %s\nstop it, or set FALCRED_SOCKET to another path", path)
	case errors.Is(err, unix.ECONNREFUSED):
		return os.Remove(path)
	}
	// A full queue (EAGAIN) or a refusal by mode is not proof of death.
	return fmt.Errorf("nobody can tell whether a program uses the socket %s: %w\nif none does, remove that file", path, err)
}
