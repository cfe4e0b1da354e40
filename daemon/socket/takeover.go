//go:build linux || darwin || windows

package socket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/protocol"
	falpeer "github.com/falcred/falcred/protocol/peer"
)

// A service gets the lock of its socket from a daemon that a helper has started on
// demand, or from an older service: it asks that one to end, and waits.
//
// It asks by the socket (the verb stop, S10). A signal is for where that cannot be: the
// other one was built before there was a stop; its queue or its connections are full; it
// has lost its socket; or systemd has put its own socket in the place of the other's, so
// that whoever connects meets our own queue. A signal goes to whoever holds the lock, and to
// nobody else (endHolder). The peer of a connection is not that on Linux: where systemd
// has made the socket, it is systemd, and SIGTERM to a user's manager ends his session.
// The pid in the lock file can be anybody's by now. So the kernel's table of locks stays
// the one source, which `falcred doctor` reads too.

// takeOverLimit is more than a daemon needs to end (S5), and less than a service
// manager waits for a start.
const takeOverLimit = 30 * time.Second

// endLimit is S5's: a daemon that has no socket any more and holds its lock for longer is not
// ending, but has lost the socket.
const endLimit = 20 * time.Second

// retryClaim is how often the lock is tried meanwhile: as soon as the other one has
// ended, clients wait for us.
const retryClaim = 5 * time.Millisecond

// takeOver is one service's attempt.
type takeOver struct {
	path      string
	begun     time.Time
	ours      bool // the path leads to our own queue, so that nobody else can be asked there
	signalled int  // a second signal would end that process in the middle of a refresh
}

// claimFrom is claim for a service. It waits until ctx ends, or 30 s.
func claimFrom(ctx context.Context, path string, ours bool) (*fsx.Lock, error) {
	limited, cancel := context.WithTimeout(ctx, takeOverLimit)
	defer cancel()
	tick := time.NewTicker(retryClaim)
	defer tick.Stop()
	t := &takeOver{path: path, begun: time.Now(), ours: ours, signalled: os.Getpid()}
	for {
		lock, err := claimNow(path)
		var other runningError
		if !errors.As(err, &other) {
			return lock, err
		}
		if refused := t.ask(limited); refused != nil {
			return nil, fmt.Errorf("%w, and cannot be asked to stop: %w", err, refused)
		}
		select {
		case <-tick.C:
		case <-limited.Done():
			if ctx.Err() != nil {
				return nil, fmt.Errorf("%w, and had not ended when this one was asked to", err)
			}
			return nil, fmt.Errorf("%w, and did not stop within %s\n%s, then start the service again", err, takeOverLimit, other.endIt())
		}
	}
}

// ask asks once. It returns when the other has hung up or ctx has ended; an error is
// that it will not end.
func (t *takeOver) ask(ctx context.Context) error {
	if t.ours {
		return t.signal(0)
	}
	conn, err := dial(ctx, t.path)
	switch {
	case err == nil:
		defer conn.Close()
		return t.stop(ctx, conn)
	case errors.Is(err, syscall.EAGAIN): // its queue is full
		return t.signal(0)
	case time.Since(t.begun) > endLimit:
		return t.signal(0)
	}
	return nil // it is ending already, or about to listen
}

// stop asks by the socket (S10). A daemon that does not know the verb, or has no
// connection to spare for it, gets a signal.
func (t *takeOver) stop(ctx context.Context, c *Conn) error {
	if err := falpeer.Check(c); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Now()) })()
	peer := PeerPID(c)
	in := protocol.NewReader(c)
	io.WriteString(c, protocol.VerbStop+"\n") // what is wrong with the connection, reading shows
	line, err := in.ReadLine()
	if err != nil {
		return nil // it has ended, or ctx has
	}
	var refused *protocol.Error
	err = protocol.ParseAnswer(line, nil)
	switch {
	case err == nil:
		in.ReadLine() // it hangs up when it has ended
		return nil
	case errors.As(err, &refused) && (refused.Code == protocol.CodeBadRequest || refused.Code == protocol.CodeUnavailable):
		return t.signal(peer)
	}
	return err
}

// signal is SIGTERM to the process that holds the lock, once to each.
func (t *takeOver) signal(peer int) error {
	pid, err := endHolder(t.path+".lock", peer, t.signalled)
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	if pid != 0 {
		t.signalled = pid
	}
	return nil
}
