package daemon

import (
	"io/fs"
	"net"
	"os"
	"sync"

	"github.com/gofrs/flock"
)

// socket is where the daemon listens, with the lock that makes it the only
// one there (S1).
type socket struct {
	path     string
	listener *net.UnixListener
	own      fs.FileInfo // what was bound here; nil for an inherited socket
	lock     *flock.Flock
	warnings []string
	removed  sync.Once
}

// remove takes the socket's name away, if it is still ours and not systemd's
// (S2). It must come before the listener is closed: until then the kernel
// keeps the inode, and no other socket can have its number. Between the look
// and the removal somebody could still put another socket there; the folder is
// ours alone, and every falcred holds the lock first.
func (s *socket) remove() {
	s.removed.Do(func() {
		if s.own == nil {
			return
		}
		if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.own) {
			os.Remove(s.path)
		}
	})
}

// close ends it all. The lock file stays: unlinking it would let two daemons
// hold locks on two files of that name.
func (s *socket) close() {
	s.remove()
	s.listener.Close()
	s.lock.Close()
}
