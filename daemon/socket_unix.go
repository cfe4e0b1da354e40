//go:build linux || darwin

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

// probeTimeout bounds the question whether somebody serves on a socket. A
// connect to a Unix socket does not wait for its server.
const probeTimeout = time.Second

// openSocket takes systemd's socket, or makes one at the first place that can
// hold it (§3).
func openSocket(ctx context.Context, cfg Config) (*socket, error) {
	if listener, err := inheritedListener(); err != nil {
		return nil, err
	} else if listener != nil {
		return inherit(ctx, listener)
	}
	claim := claim
	if cfg.TakeOver {
		claim = func(path string) (*flock.Flock, error) { return claimFrom(ctx, path, false) }
	}
	lookup := os.LookupEnv
	if cfg.Socket != "" { // a flag can say it too
		lookup = func(name string) (string, bool) {
			if name == "FALCRED_SOCKET" {
				return cfg.Socket, true
			}
			return os.LookupEnv(name)
		}
	}
	places, err := env.Sockets(lookup, cfg.Home)
	if err != nil {
		return nil, err
	}
	for _, path := range places[:len(places)-1] {
		if folder := filepath.Dir(path); onNetwork(folder) {
			err = fmt.Errorf("%s is on a network filesystem", folder)
			continue
		}
		var s *socket
		if s, err = listenAt(path, claim); err == nil || !holdsNoSocket(err) {
			return s, err
		}
	}
	s, lastErr := listenAt(places[len(places)-1], claim)
	if lastErr == nil && err != nil {
		s.warnings = append(s.warnings, fmt.Sprintf("the socket is %s: %v", s.path, err))
	}
	return s, lastErr
}

// openShare makes the socket of S7. Others have to be able to connect to it: it is
// the kernel's word about them that keeps strangers out, and the folder's mode.
func openShare(cfg Config) (*socket, error) {
	s, err := listenAt(cfg.ShareSocket, claim)
	if err == nil && len(cfg.AllowUIDs) > 0 {
		if err = os.Chmod(s.path, 0o666); err != nil { // #nosec G302 -- peer.Check lets in the users named
			s.close()
		}
	}
	return s, err
}

// holdsNoSocket tells a filesystem without sockets, locks or writing from a
// mistake that a person has to mend.
func holdsNoSocket(err error) bool {
	for _, errno := range []unix.Errno{unix.EPERM, unix.ENOTSUP, unix.EOPNOTSUPP, unix.ENOSYS, unix.ENOLCK, unix.EROFS, unix.EINVAL} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return errors.Is(err, errModeIgnored)
}

var errModeIgnored = errors.New("its filesystem does not keep a socket's mode")

// listenAt makes the socket (S1, S2).
func listenAt(path string, claim func(string) (*flock.Flock, error)) (s *socket, err error) {
	if err := env.CheckSocketPath(path); err != nil {
		return nil, err
	}
	if err := checkFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	lock, err := claim(path)
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
	listener.SetUnlinkOnClose(false) // socket.remove looks first whose it is
	s = &socket{path: path, listener: listener, lock: lock}
	if s.bound, err = os.Lstat(path); err == nil && s.bound.Mode().Perm() != 0o600 {
		err = fmt.Errorf("%s: %w", path, errModeIgnored)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// checkFolder holds S2: who can write the folder, or one above it, can put another
// socket there.
func checkFolder(folder string) error {
	err := strict.Folder(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the socket's folder %s is not there: mkdir -m 700 %s", folder, folder)
	}
	if err != nil {
		return fmt.Errorf("the socket's folder: %w", err)
	}
	return nil
}

// claim takes the lock beside the socket and writes our pid into it, so that a
// second daemon can say who runs (S1).
func claim(path string) (*flock.Flock, error) {
	name := path + ".lock"
	// Neither a link nor a FIFO of that name may lead elsewhere or hold us.
	lock := flock.New(name, flock.SetFlag(os.O_CREATE|os.O_RDWR|nonblock|unix.O_NOFOLLOW), flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err == nil && !locked {
		err = alreadyRunning(path)
	} else if err == nil {
		err = writePID(lock)
	}
	if err != nil {
		lock.Close()
		return nil, strict.NoLink(name, err)
	}
	return lock, nil
}

// claimFollow is claim for `falcred follow`.
func claimFollow(path string) (*flock.Flock, error) {
	lock, err := claim(path)
	if other := (runningError{}); errors.As(err, &other) {
		return nil, fmt.Errorf("another falcred follow (pid %d) keeps %s", other.pid, filepath.Dir(path))
	}
	return lock, err
}

// writePID writes into the file that is locked, and no other that has its name by
// now: flock does not give its own descriptor away.
func writePID(lock *flock.Flock) error {
	locked, err := lock.Stat()
	if err != nil {
		return err
	}
	file, err := strict.Open(lock.Path(), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if named, err := file.Stat(); err != nil || !os.SameFile(named, locked) {
		return fmt.Errorf("%s was replaced while it was being locked: try again", lock.Path())
	}
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err = file.WriteString(strconv.Itoa(os.Getpid()) + "\n")
	return err
}

// runningError is that another daemon holds the lock.
type runningError struct {
	path string
	pid  int // 0 where it is not known
}

func (e runningError) Error() string {
	if e.pid > 0 {
		return fmt.Sprintf("falcred is already running (pid %d) on %s", e.pid, e.path)
	}
	return "falcred is already running on " + e.path
}

// alreadyRunning says who holds the lock. The holder may not have written its
// pid yet; then the path has to do.
func alreadyRunning(path string) error {
	data, _ := readSmall(path + ".lock")
	pid, _ := strconv.Atoi(strings.TrimSpace(string(data)))
	return runningError{path, max(0, pid)}
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
		return fmt.Errorf("%s is there and is not a socket: move it away, or set FALCRED_SOCKET to another path", path)
	}
	conn, err := net.DialTimeout("unix", path, probeTimeout)
	switch {
	case err == nil:
		conn.Close()
		return fmt.Errorf("another program serves on %s: stop it, or set FALCRED_SOCKET to another path", path)
	case errors.Is(err, unix.ECONNREFUSED):
		return os.Remove(path)
	}
	// A full queue (EAGAIN) or a refusal by mode is not proof of death.
	return fmt.Errorf("cannot tell whether a program serves on %s: %w", path, err)
}
