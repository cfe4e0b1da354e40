//go:build linux || darwin

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/falcred/falcred/protocol"
	falpeer "github.com/falcred/falcred/protocol/peer"
	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

// takeOverLimit is more than a daemon needs to end (S5), and less than a service
// manager waits for a start.
const takeOverLimit = 30 * time.Second

// endLimit is S5's: who has no socket any more and holds its lock for longer is not
// ending, but has lost the socket.
const endLimit = 20 * time.Second

// takeOver is how a service gets the lock of its socket from a daemon that a helper has
// started on demand, or from an older service: it asks that one to end, and waits.
type takeOver struct {
	path      string
	begun     time.Time
	deaf      bool // nobody else can be reached on the path: it leads to our own queue
	signalled int  // a second signal would end that process in the middle of a refresh
}

// claimFrom is claim for a service.
func claimFrom(ctx context.Context, path string, deaf bool) (*flock.Flock, error) {
	limited, cancel := context.WithTimeout(ctx, takeOverLimit)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	t := &takeOver{path: path, begun: time.Now(), deaf: deaf, signalled: os.Getpid()}
	for {
		lock, err := claim(path)
		var other runningError
		if !errors.As(err, &other) {
			return lock, err
		}
		if refused := t.ask(limited); refused != nil {
			return nil, fmt.Errorf("%w, and cannot be asked to end: %w", err, refused)
		}
		select {
		case <-tick.C:
		case <-limited.Done():
			if ctx.Err() != nil {
				return nil, fmt.Errorf("%w, and had not ended when this one was asked to", err)
			}
			return nil, fmt.Errorf("%w, and has not ended within %s of being asked\n%s, then start the service again", err, takeOverLimit, other.endIt())
		}
	}
}

// endIt is for a person.
func (e runningError) endIt() string {
	if e.pid > 0 {
		return fmt.Sprintf("end it: kill -9 %d", e.pid)
	}
	return "end it: fuser -v " + e.path + ".lock"
}

// ask asks once. It returns when the other has hung up or ctx has ended; an error is
// that it will not end.
func (t *takeOver) ask(ctx context.Context) error {
	if t.deaf {
		return t.signal(0)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", t.path)
	switch {
	case err == nil:
		defer conn.Close()
		return t.stop(ctx, conn.(*net.UnixConn))
	case errors.Is(err, unix.EAGAIN): // its queue is full
		return t.signal(0)
	case time.Since(t.begun) > endLimit:
		return t.signal(0)
	}
	return nil // it is ending already, or about to listen
}

// stop asks by the socket (S10). A daemon that does not know the verb, or has no
// connection to spare for it, gets a signal.
func (t *takeOver) stop(ctx context.Context, c *net.UnixConn) error {
	if err := falpeer.Check(c); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Now()) })()
	peer := peerPID(c)
	in := protocol.NewReader(c)
	io.WriteString(c, protocol.VerbStop+"\n") // what is wrong with the connection, reading tells
	line, err := in.ReadLine()
	if err != nil {
		return nil // it has ended, or ctx has
	}
	var refused *protocol.Error
	err = protocol.ParseAnswer(line, nil)
	switch {
	case err == nil:
		in.ReadLine()
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
