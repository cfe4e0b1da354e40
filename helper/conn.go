package helper

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/local"
	"github.com/falcred/falcred/protocol/peer"
)

// conn is a connection to a daemon whose user has been checked.
type conn struct {
	*local.Conn
	in     *protocol.Reader
	socket string // where it leads
	others []int  // whom the daemon there may be of, besides ourselves and root
	waits  patience
	spoilt bool // closed, or about to be, by a context
}

func newConn(s *local.Conn, socket string, others []int) *conn {
	return &conn{Conn: s, in: protocol.NewReader(s), socket: socket, others: others, waits: waits}
}

// exchange is roundTrip for as long as a verb may take.
func (cn *conn) exchange(ctx context.Context, verb string, line []byte) (string, error) {
	switch verb {
	case protocol.VerbGet, protocol.VerbStore, protocol.VerbErase, protocol.VerbWatch:
		return cn.roundTrip(ctx, line)
	}
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	defer time.AfterFunc(cn.waits.prompt, func() {
		if _, _, died := holder(cn.socket); died { // the next daemon is about to be started
			pause(ctx, endOfOther-cn.waits.prompt)
		}
		giveUp(errLate)
	}).Stop()
	return cn.roundTrip(ctx, line)
}

// roundTrip sends one line and reads one. When ctx ends the connection does
// too: an answer that comes later must not meet another request. It ends ctx itself where
// the daemon gives no sign of life; the error is why ctx has ended, then.
func (cn *conn) roundTrip(ctx context.Context, line []byte) (answer string, err error) {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	defer time.AfterFunc(cn.waits.before, func() { cn.watchOver(ctx, giveUp) }).Stop()
	stop := context.AfterFunc(ctx, func() { cn.Close() })
	defer func() {
		if !stop() {
			cn.spoilt = true
		}
		if err != nil && ctx.Err() != nil {
			err = late(ctx, cn.socket)
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

// dial connects to the first place where a daemon listens. One that is not ours,
// or one of others', ends the search: somebody who listens there may be after
// the request, so nothing is sent and nothing started (S3). So does a refusal. Any other
// failure there means the next place: a file system can be dead whose daemon lives
// elsewhere. It is the error where no daemon is found, so that none is started.
func (c *Client) dial(ctx context.Context, others ...int) (*conn, error) {
	if c.othersErr != nil {
		return nil, c.othersErr
	}
	places, home, err := c.places()
	if err != nil {
		return nil, err
	}
	var failed error = ErrNotRunning
	for i, p := range places {
		s, err := connect(ctx, p.Path, waits.connect)
		if err != nil {
			if ctx.Err() != nil {
				return nil, late(ctx, p.Path)
			}
			found, goOn := explain(err, p.Path, i == 0)
			if !goOn {
				return nil, found
			}
			if found != nil && failed == ErrNotRunning {
				failed = found
			}
			continue
		}
		cn := newConn(s, p.Path, others)
		if err := peer.Check(s, others...); err != nil {
			cn.Close()
			if i == 0 && nameTaken(p.Path) { // where a daemon that is started here will listen
				continue
			}
			text, hint, _ := strings.Cut(err.Error(), "\n")
			if hint == "" {
				hint = "set FALCRED_SOCKET to a socket of your own"
			}
			return nil, protocol.Errorf(protocol.CodeDenied, "%s: %s\n%s", p.Path, text, hint)
		}
		if !p.Shared {
			return cn, nil
		}
		serves, err := cn.servesHome(ctx, home)
		if serves {
			return cn, nil
		}
		cn.Close()
		switch {
		case ctx.Err() != nil:
			return nil, late(ctx, p.Path)
		case err != nil && failed == ErrNotRunning:
			failed = err // it may be ours
		}
	}
	return nil, failed
}

// Sockets is where the Client looks for a daemon, the first choice first.
func (c *Client) Sockets() ([]string, error) {
	places, _, err := c.places()
	var sockets []string
	for _, p := range places {
		sockets = append(sockets, p.Path)
	}
	return sockets, err
}

func (c *Client) places() (places []env.Place, home string, err error) {
	if c.Socket != "" {
		return []env.Place{{Path: c.Socket}}, "", env.CheckSocketPath(c.Socket)
	}
	home, homeErr := env.Home(c.variable)
	if _, given := c.variable("FALCRED_SOCKET"); homeErr != nil && !given {
		return nil, "", homeErr
	}
	places, err = env.Sockets(c.variable, home)
	return places, home, err
}

// servesHome asks a daemon for its home, lest a program with a home of its own
// be given the login of another. The error is that it does not say.
func (cn *conn) servesHome(ctx context.Context, home string) (bool, error) {
	line, err := protocol.Request{Verb: protocol.VerbStatus}.Append(nil)
	if err != nil {
		return false, err
	}
	answer, err := cn.exchange(ctx, protocol.VerbStatus, line)
	if cn.spoilt || errors.As(err, new(*protocol.Error)) {
		return false, err
	}
	var status protocol.Status
	if err != nil || protocol.ParseAnswer(answer, &status) != nil || status.Home == "" {
		return false, nil // it ends, or is none of ours
	}
	return sameFolder(status.Home, home), nil
}

func sameFolder(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}
