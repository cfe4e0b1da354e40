//go:build linux || darwin

package socket

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/protocol/disk"
	"golang.org/x/sys/unix"
)

// A daemon hands its socket to the process that takes its place (S9). Both have the listener and
// the lock open for a while: clients wait in one queue, and the lock is never free.

// Descriptors are of the listener and of the lock, in this order, for a process that is to have
// them. The caller closes them.
func (s *Socket) Descriptors() ([2]*os.File, error) {
	var files [2]*os.File
	locked, ok := s.lock.File().(*os.File)
	if !ok {
		return files, errors.ErrUnsupported
	}
	for i, of := range []syscall.Conn{s.listener, locked} {
		file, err := duplicate(of)
		if err != nil {
			closeFiles(files)
			return files, err
		}
		files[i] = file
	}
	return files, nil
}

// duplicate makes a second descriptor. [net.UnixListener.File] would too, but that one, when it is
// given to a process, has both block from then on: they share one open file, and accept would
// hold a thread for ever.
func duplicate(of syscall.Conn) (*os.File, error) {
	raw, err := of.SyscallConn()
	if err != nil {
		return nil, err
	}
	second := -1
	if controlErr := raw.Control(func(fd uintptr) { second, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 3) }); controlErr != nil {
		return nil, controlErr
	}
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(second), "handed over"), nil // #nosec G115 -- a descriptor
}

func closeFiles(files [2]*os.File) {
	for _, file := range files {
		if file != nil {
			file.Close()
		}
	}
}

// Handed is the socket of another daemon, by its descriptors ([Socket.Descriptors]), which it
// closes where it fails. It is not to be used before the other one has let go, and [Socket.Own].
func Handed(files [2]*os.File) (s *Socket, err error) {
	defer func() {
		if err != nil {
			closeFiles(files)
		}
	}()
	listener, err := net.FileListener(files[0])
	if err != nil {
		return nil, fmt.Errorf("what was handed over is no socket: %w", err)
	}
	unixListener, ok := listener.(*net.UnixListener)
	if !ok {
		listener.Close()
		return nil, errors.New("what was handed over is no Unix socket")
	}
	unixListener.SetUnlinkOnClose(false)
	s = &Socket{path: listener.Addr().String(), listener: unixListener, lock: fsx.Inherited(files[1])}
	s.Leave(true) // for as long as it is the other one's
	if s.bound, err = os.Lstat(s.path); err == nil {
		err = s.checkLock()
	}
	if err != nil {
		listener.Close()
		return nil, err
	}
	files[0].Close() // the listener has its own
	return s, nil
}

// checkLock says whether what we have been handed is the lock of this very path, and locked. One
// that is locked already, by who shares the open file, is locked again without a moment in
// between.
func (s *Socket) checkLock() error {
	name := s.path + ".lock"
	named, err := disk.Lstat(name)
	if err != nil {
		return err
	}
	if locked, err := s.lock.Stat(); err != nil || !disk.SameFile(named, locked) {
		return fmt.Errorf("what was handed over is not the lock %s", name)
	}
	return disk.TryLock(s.lock.File())
}

// Own makes the socket that was handed over this process's, once the other one has let go: whoever
// asks who serves there is told our number from then on.
func (s *Socket) Own() error {
	s.Leave(false)
	raw, err := s.listener.SyscallConn()
	if err != nil {
		return err
	}
	raw.Control(listenAgain)
	if err := lockAgain(s.lock.File()); err != nil {
		return err
	}
	if err := writeOwner(s.path+".lock", s.lock); err != nil && !noRoom(err) && !errors.Is(err, syscall.EROFS) { // the lock is what counts
		return err
	}
	return nil
}
