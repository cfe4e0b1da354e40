package socket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/local"
	"github.com/falcred/falcred/protocol/peer"
)

// Conn is the daemon's end of a connection.
type Conn = local.Conn

// Listener takes connections.
type Listener = local.Listener

// Inherited is nil: no service manager here makes sockets.
func Inherited() (*Socket, error) { return nil, nil }

func inherit(_ context.Context, s *Socket) (*Socket, error) { return s, nil }

// OpenShared refuses: others would have to be named by their SIDs, which is not built.
func OpenShared(string, []int) (*Socket, error) {
	return nil, protocol.Errorf(protocol.CodeDenied, "falcred has no share socket on Windows, where users have no uids\nunset FALCRED_SHARE_SOCKET")
}

// ClaimFollow refuses: what follows a share socket has none to follow.
func ClaimFollow(string) (io.Closer, error) {
	return nil, protocol.Errorf(protocol.CodeDenied, "falcred follow does not run on Windows, where there are no share sockets\nrun it in WSL")
}

// holdsNoSocket: an address is a file, and a file system that takes none is a mistake to
// be corrected.
func holdsNoSocket(error) bool { return false }

// bind makes the pipe, and the file that names it.
func bind(path string) (*Socket, error) {
	listener, err := local.Listen(path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	return &Socket{path: path, listener: listener, bound: listener}, nil
}

// clearStale wants nobody to serve there (S2). An address that leads nowhere is replaced
// when we have one of our own, so that nobody finds none.
func clearStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return notOurs(path)
	}
	conn, err := local.Dial(path)
	switch {
	case err == nil:
		stranger := peer.Check(conn) != nil // who has taken the name that a dead daemon left
		conn.Close()
		if stranger {
			return nil
		}
		return fmt.Errorf("another program uses the socket %s\nstop it, or set FALCRED_SOCKET to another path", path)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrPermission):
		return nil
	case errors.Is(err, syscall.ENOTSOCK):
		return notOurs(path)
	}
	return fmt.Errorf("nobody can tell whether a program uses the socket %s: %w\nif none does, remove that file", path, err)
}

func notOurs(path string) error {
	return fmt.Errorf("%s is not a socket\nmove it away, or set FALCRED_SOCKET to another path", path)
}

// bound knows the address that it has written.
type bound = *Listener

// ours says whether the path leads to us.
func (s *Socket) ours() (bool, error) { return s.bound.Named() }

// PeerPID is the number of the process at the other end, by the kernel's word, or 0. It
// names a process for a log, and proves nothing: that one may have ended, and its number be
// another's.
func PeerPID(c *Conn) int { return c.Process() }

func dial(_ context.Context, path string) (*Conn, error) { return local.Dial(path) }
