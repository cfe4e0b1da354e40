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
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
	"golang.org/x/sys/unix"
)

// probeTimeout bounds the question whether somebody serves on a socket. A
// connect to a Unix socket does not wait for its server.
const probeTimeout = time.Second

// Open takes the socket that was inherited, or makes one at the first place that
// can hold it. Another daemon there is an error that names its process, unless it is to
// be ended: that takes up to 30 s, and no longer than ctx lasts.
func Open(ctx context.Context, o Options) (*Socket, error) {
	if o.Inherited != nil {
		return inherit(ctx, o.Inherited)
	}
	claim := claim
	if o.TakeOver {
		claim = func(path string) (*fsx.Lock, error) { return claimFrom(ctx, path, false) }
	}
	lookup := os.LookupEnv
	if o.Path != "" { // a flag can say it too
		lookup = func(name string) (string, bool) {
			if name == "FALCRED_SOCKET" {
				return o.Path, true
			}
			return os.LookupEnv(name)
		}
	}
	places, err := env.Sockets(lookup, o.Home)
	if err != nil {
		return nil, err
	}
	last := len(places) - 1
	for _, place := range places[:last] {
		if folder := filepath.Dir(place.Path); env.OnNetwork(folder) {
			err = fmt.Errorf("%s is on a network file system", folder)
			continue
		}
		var s *Socket
		if s, err = listenAt(place.Path, claim); err == nil || !holdsNoSocket(err) {
			return s, err
		}
	}
	s, lastErr := listenAt(places[last].Path, claim)
	if own := filepath.Join(o.Home, filepath.Base(places[last].Path)); err == nil && places[last].Shared {
		err = env.CheckSocketPath(own) // it was no place at all
	}
	if lastErr == nil && err != nil {
		text, _, _ := strings.Cut(err.Error(), "\n")
		s.warnings = append(s.warnings, fmt.Sprintf("the socket is %s: %s", s.path, text))
	}
	return s, lastErr
}

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

// listenAt makes the socket (S1, S2), once claim has got its lock.
func listenAt(path string, claim func(string) (*fsx.Lock, error)) (s *Socket, err error) {
	if err := env.CheckSocketPath(path); err != nil {
		return nil, err
	}
	if err := checkFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	lock, err := claim(path)
	if other := (runningError{}); errors.As(err, &other) && other.away != "" && !strings.Contains(err.Error(), "\n") {
		err = fmt.Errorf("%w\n%s", err, other.endIt())
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	if err := clearStale(path); err != nil {
		return nil, err
	}
	listener, err := listenPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	listener.SetUnlinkOnClose(false) // Remove compares first whose it is
	s = &Socket{path: path, listener: listener, lock: lock}
	if s.bound, err = os.Lstat(path); err == nil && s.bound.Mode().Perm() != 0o600 {
		err = fmt.Errorf("%s: %w", path, errModeIgnored)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// checkFolder holds S2: whoever can write the folder, or one above it, can put another
// socket there.
func checkFolder(folder string) error {
	err := strict.Folder(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the socket's folder %s does not exist\nmkdir -m 700 %s", folder, folder)
	}
	if err != nil {
		return fmt.Errorf("the socket's folder: %w", err)
	}
	return nil
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
		return fmt.Errorf("another program serves on %s\nstop it, or set FALCRED_SOCKET to another path", path)
	case errors.Is(err, unix.ECONNREFUSED):
		return os.Remove(path)
	}
	// A full queue (EAGAIN) or a refusal by mode is not proof of death.
	return fmt.Errorf("cannot tell whether a program serves on %s: %w\nif none does, remove that file", path, err)
}
