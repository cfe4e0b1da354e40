package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/falcred/falcred/daemon/alarm"
	"github.com/falcred/falcred/protocol/strict"
	"github.com/gofrs/flock"
)

// socket is where the daemon listens, with the lock that makes it the only
// one there (S1).
type socket struct {
	path      string
	listener  *net.UnixListener
	bound     fs.FileInfo // what the path names while we can be reached
	inherited bool        // the name is systemd's
	lock      *flock.Flock
	warnings  []string
	removed   sync.Once
}

// remove takes the socket's name away, if it is still ours and not systemd's
// (S2). It must come before the listener is closed: until then the kernel
// keeps the inode, and no other socket can have its number. Between the look
// and the removal nobody puts another socket there: the folder is ours alone, by a
// look at the way to it, and every falcred holds the lock first.
func (s *socket) remove() {
	s.removed.Do(func() {
		if s.inherited || s.bound == nil || strict.Folder(filepath.Dir(s.path)) != nil {
			return
		}
		if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.bound) {
			os.Remove(s.path)
		}
	})
}

// lost says whether the name stands for something else by now: `rm -rf` of the
// home, or a second daemon after it. Nobody can reach us then. Where others could
// have swapped its folder, no other daemon starts (F6), and it may come back.
func (s *socket) lost() bool {
	if s.bound == nil || strict.As(strict.Folder(filepath.Dir(s.path))) != nil {
		return false
	}
	now, err := os.Lstat(s.path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, s.bound)
}

var errLost = errors.New("was removed or replaced")

// guard ends when ctx does, or with an error once the socket is lost: a daemon
// that nobody can reach must make room for one that can be (S1).
func (s *socket) guard(ctx context.Context, look *alarm.Alarm) error {
	defer look.Close()
	for nextLook(ctx, look) {
		if s.lost() {
			return fmt.Errorf("the socket %s %w", s.path, errLost)
		}
	}
	return nil
}

// close ends it all. The lock file stays: unlinking it would let two daemons
// hold locks on two files of that name. The listener is not waited for: closing it
// closes what clients in its queue have passed along, which can hang (S5).
func (s *socket) close() {
	s.remove()
	s.lock.Close()
	go s.listener.Close()
}
