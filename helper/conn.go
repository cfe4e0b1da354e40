package helper

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/peer"
)

// conn is a connection to a daemon whose user has been checked.
type conn struct {
	*stream
	in     *protocol.Reader
	spoilt bool // closed, or about to be, by a context
}

func newConn(s *stream) *conn {
	return &conn{stream: s, in: protocol.NewReader(s)}
}

// roundTrip sends one line and reads one. When ctx ends the connection does
// too: an answer that comes later must not meet another request.
func (cn *conn) roundTrip(ctx context.Context, line []byte) (string, error) {
	stop := context.AfterFunc(ctx, func() { cn.Close() })
	defer func() {
		if !stop() {
			cn.spoilt = true
		}
	}()
	if _, err := cn.Write(line); err != nil {
		// A daemon that refuses a line says why before it hangs up.
		if answer, readErr := cn.in.ReadLine(); readErr == nil {
			cn.spoilt = true
			return answer, nil
		}
		return "", err
	}
	return cn.in.ReadLine()
}

// dial connects to the first socket where a daemon listens. One that is not ours,
// or one of others', ends the search: somebody who listens there may be after
// the request, so nothing is sent and nothing started (S3).
func (c *Client) dial(ctx context.Context, others ...int) (*conn, error) {
	if c.othersErr != nil {
		return nil, c.othersErr
	}
	candidates, err := c.candidates()
	if err != nil {
		return nil, err
	}
	for i, p := range candidates {
		s, err := connect(ctx, p.socket)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case nobodyThere(err), !peer.Serves: // there is nobody to be found there
			continue
		case errors.Is(err, fs.ErrPermission) && i > 0:
			// XDG_RUNTIME_DIR of another user, as su leaves it.
			continue
		case errors.Is(err, fs.ErrPermission):
			return nil, protocol.Errorf(protocol.CodeDenied,
				"no permission to connect to %s\nit belongs to another user: set FALCRED_SOCKET or FAL_HOME_DIR", p.socket)
		default:
			return nil, protocol.Errorf(protocol.CodeUnavailable, "cannot connect to %s: %v\nsee: falcred doctor", p.socket, errors.Unwrap(err))
		}
		cn := newConn(s)
		if err := peer.Check(s, others...); err != nil {
			cn.Close()
			text, hint, _ := strings.Cut(err.Error(), "\n")
			if hint == "" {
				hint = "set FALCRED_SOCKET to a socket of your own"
			}
			return nil, protocol.Errorf(protocol.CodeDenied, "%s: %s\n%s", p.socket, text, hint)
		}
		if p.home != "" && !cn.servesHome(ctx, p.home) {
			cn.Close()
			continue
		}
		return cn, nil
	}
	return nil, ErrNotRunning
}

// candidate is a socket to try. Where home is set, the socket is shared by all
// homes of a user, and the daemon there must serve that one.
type candidate struct{ socket, home string }

// Sockets is where the Client looks for a daemon, the first choice first.
func (c *Client) Sockets() ([]string, error) {
	candidates, err := c.candidates()
	var sockets []string
	for _, candidate := range candidates {
		sockets = append(sockets, candidate.socket)
	}
	return sockets, err
}

func (c *Client) candidates() ([]candidate, error) {
	if c.Socket != "" {
		return []candidate{{socket: c.Socket}}, env.CheckSocketPath(c.Socket)
	}
	home, homeErr := env.Home(c.variable)
	if _, given := c.variable("FALCRED_SOCKET"); homeErr != nil && !given {
		return nil, homeErr
	}
	sockets, err := env.Sockets(c.variable, home)
	if err != nil {
		return nil, err
	}
	var candidates []candidate
	for i, socket := range sockets {
		// A home with a long name still has the second one.
		if lengthErr := env.CheckSocketPath(socket); lengthErr != nil {
			err = lengthErr
			continue
		}
		p := candidate{socket: socket}
		if i > 0 {
			p.home = home
		}
		candidates = append(candidates, p)
	}
	if len(candidates) == 0 {
		return nil, err
	}
	return candidates, nil
}

// servesHome asks a daemon for its home, lest a program with a home of its own
// be given the login of another.
func (cn *conn) servesHome(ctx context.Context, home string) bool {
	line, err := protocol.Request{Verb: protocol.VerbStatus}.Append(nil)
	if err != nil {
		return false
	}
	answer, err := cn.roundTrip(ctx, line)
	if err != nil || cn.spoilt {
		return false
	}
	var status protocol.Status
	if protocol.ParseAnswer(answer, &status) != nil || status.Home == "" {
		return false
	}
	return sameFolder(status.Home, home)
}

func sameFolder(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// connect waits while the daemon's queue of connections is full: Linux says
// EAGAIN then, at once, and a thousand scripts that start together see it.
func connect(ctx context.Context, socket string) (*stream, error) {
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		s, err := openStream(socket)
		if !errors.Is(err, syscall.EAGAIN) {
			return s, err
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// nobodyThere tells a missing daemon from a failure of this end, such as too
// many open files, which starting a daemon would not help.
func nobodyThere(err error) bool {
	if runtime.GOOS == "windows" {
		return !errors.Is(err, fs.ErrPermission) // its error numbers are its own
	}
	for _, e := range []syscall.Errno{
		syscall.ENOENT, syscall.ENOTDIR, syscall.ECONNREFUSED, syscall.ENOTSOCK,
		syscall.EPROTOTYPE, syscall.ELOOP,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
