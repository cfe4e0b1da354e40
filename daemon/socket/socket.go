// Package socket is where a daemon listens: a Unix socket at a path, or one that
// systemd hands over.
//
// It promises that only one daemon at a time has a path: a lock file beside the socket,
// PATH.lock, is held for as long as the [Socket] is open. A second daemon learns who
// runs, and touches nothing; a service ([Options].TakeOver) asks that one to end, and
// waits for it. The socket is private to its user from its first moment, in a folder
// that nobody else can write. What stands at the path is replaced only where nobody
// serves on it, and only the daemon's own socket is ever removed.
//
// On Windows it is a named pipe, and what stands at the path is its address (package local).
// On other systems than Linux, macOS and Windows the user at the other end of a connection
// cannot be known, and everything here that opens something returns [peer.ErrNotServed].
// Who connects is for the server to check, with [peer.Check].
package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/protocol/strict"
)

// Options say where a daemon is to listen.
type Options struct {
	// Path is the socket's path; "" leaves it to FALCRED_SOCKET, and without that to
	// the paths of [env.Sockets].
	Path string
	// Home is the folder of the login: the first place for a socket.
	Home string
	// TakeOver ends the daemon that holds the socket's lock: for services, which take
	// the place of what a helper has started. With Inherited it is done anyway.
	TakeOver bool
	// Inherited is what [Inherited] has returned: it comes before Path and Home. Open leaves
	// it open where it fails.
	Inherited *Socket
}

// Socket is a Unix socket on which this process listens, and it alone. Its methods may be called by
// any goroutine.
type Socket struct {
	path      string
	listener  *Listener
	bound     bound // what the path names while we can be reached
	inherited bool  // the name is systemd's
	lock      *fsx.Lock
	warnings  []string
	removed   sync.Once
	left      atomic.Bool // another process of ours has it by now, or is about to
}

// Path is where clients connect.
func (s *Socket) Path() string { return s.path }

// Inherited says whether systemd has made the socket.
func (s *Socket) Inherited() bool { return s.inherited }

// Listener takes their connections. Close it in a goroutine of its own, or leave that
// to [Socket.Close]: it may wait for a descriptor that somebody in its queue has passed.
func (s *Socket) Listener() *Listener { return s.listener }

// Warnings are sentences for the user: the daemon serves, but not as it should.
func (s *Socket) Warnings() []string { return s.warnings }

// Leave leaves the socket, its name and its lock to the process that has been handed them
// ([Socket.Descriptors]): from now on Close and Remove take nothing away. With false they do
// again, since that process is gone.
func (s *Socket) Leave(left bool) { s.left.Store(left) }

// Left says whether the socket is another process's by now.
func (s *Socket) Left() bool { return s.left.Load() }

// Remove takes the socket's name away, if it is still ours and not systemd's:
// whoever comes from now on finds nobody. Only the first call does something. It must come
// before the listener is closed: until then the kernel keeps the inode, and no other
// socket can have its number. Between the comparison and the removal nobody puts another
// socket there: the folder is ours alone, as is the way to it, and every falcred holds
// the lock first.
func (s *Socket) Remove() {
	if s.left.Load() {
		return
	}
	s.removed.Do(func() {
		if s.inherited || strict.Folder(filepath.Dir(s.path)) != nil {
			return
		}
		if ours, err := s.ours(); err == nil && ours {
			os.Remove(s.path)
		}
	})
}

// Lost reports whether the name stands for something else by now: `rm -rf` of the home,
// or a second daemon after it. Nobody can reach us then. Where others could have
// swapped its folder, no other daemon starts, and it may come back.
func (s *Socket) Lost() bool {
	if strict.As(strict.Folder(filepath.Dir(s.path))) != nil {
		return false
	}
	ours, err := s.ours()
	return errors.Is(err, fs.ErrNotExist) || err == nil && !ours
}

// ErrLost is what [Socket.Guard] returns: the socket's name stands for something else.
var ErrLost = errors.New("was removed or replaced")

// Guard compares once a minute, by the given alarm, which it closes. It returns nil when
// ctx ends, and an error that is [ErrLost] once the socket is lost: a daemon that nobody
// can reach must make room for one that can be.
func (s *Socket) Guard(ctx context.Context, minute *clock.Alarm) error {
	defer minute.Close()
	for clock.NextMinute(ctx, minute) {
		if s.Lost() {
			return fmt.Errorf("the socket %s %w", s.path, ErrLost)
		}
	}
	return nil
}

// Close ends it all: the name, the lock and the listener. The lock file stays: unlinking
// it would let two daemons hold locks on two files of that name. The listener is not
// waited for: closing it closes what clients in its queue have passed along, which can
// hang.
func (s *Socket) Close() {
	s.Remove()
	switch {
	case s.lock == nil:
	case s.left.Load():
		s.lock.Leave()
	default:
		s.lock.Close()
	}
	go s.listener.Close()
}
