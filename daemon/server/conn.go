package server

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/daemon/socket"
	"github.com/falcred/falcred/protocol"
)

const (
	// drainTime is how long the rest of a line that was too long is read.
	drainTime = time.Second
	// maxSlow is the longest wait after a malformed request.
	maxSlow = 100 * time.Millisecond
)

// A request, from top to bottom:
//
//	serveConn        one line after the other
//	answer           what it asks for, and whether it may
//	credentialLine   get and watch: the answer's bytes
//	  Manager.Get    the credential of the moment, nearly always; or that of a rotation (R1)
//	  Answer.Line    its bytes, which nearly always are there
//	stream.write     at once, where the socket's buffer takes it

// conn is one client's connection.
type conn struct {
	*Server
	visitor *visitor
	wire    stream
	in      protocol.Reader

	mistakes int       // malformed requests
	refused  int       // stores
	late     time.Time // the end of the patience with a client that had to wait when the daemon ended

	buf [256]byte // for in: a request seldom has a hundred, and ten thousand silent clients may wait
}

// newConn is nil where the connection is closed already.
func newConn(s *Server, peer *socket.Conn, v *visitor) *conn {
	c := &conn{Server: s, visitor: v}
	if err := c.wire.open(peer, c.answerBy); err != nil {
		return nil
	}
	c.in = protocol.NewRequestReader(peer, c.buf[:])
	return c
}

// serveConn answers one request after the other, in order, until the client hangs up,
// breaks the framing, or is too slow.
func (s *Server) serveConn(peer *socket.Conn, v *visitor) {
	c := newConn(s, peer, v)
	if c == nil {
		return
	}
	defer c.recoverPanic()
	for first := true; !c.over(); first = false {
		line, err := c.readLine()
		if errors.Is(err, protocol.ErrTooLong) && c.send(err) {
			c.drain()
		}
		if err != nil {
			return
		}
		if first {
			s.heard(peer)
		}
		c.inTurn()
		if !c.answer(line) {
			return
		}
	}
}

// readLine bounds the time from a request's first byte to its last. An idle connection
// may stay.
func (c *conn) readLine() (string, error) {
	if err := c.in.Fill(); err != nil {
		return "", err
	}
	if line, whole := c.in.Next(); whole {
		return line, nil
	}
	c.wire.peer.SetReadDeadline(clock.Now().Add(c.requestTimeout))
	line, err := c.in.ReadLine()
	c.wire.peer.SetReadDeadline(time.Time{})
	return line, err
}

// end is when the client must have taken its answers (S5): zero while the daemon does not
// end.
func (c *conn) end() time.Time {
	select {
	case <-c.ending:
		if c.late.After(c.until) {
			return c.late
		}
		return c.until
	default:
		return time.Time{}
	}
}

// over says whether that has passed.
func (c *conn) over() bool {
	end := c.end()
	return !end.IsZero() && clock.Now().After(end)
}

// answerBy is when an answer must have been taken that is written now: one total for all
// of them, once the daemon ends.
func (c *conn) answerBy() time.Time {
	by := clock.Now().Add(c.answerTimeout)
	if end := c.end(); !end.IsZero() && end.Before(by) {
		return end
	}
	return by
}

// hasWaited is called after work on the login, which no client can draw out. If the
// server's patience with its clients is over by then, or nearly, this one gets a little
// more, once: it could not read before.
func (c *conn) hasWaited() {
	if end := c.end(); !end.IsZero() && c.late.IsZero() {
		if late := clock.Now().Add(lateGrace); late.After(end) {
			c.late = late
		}
	}
}

// slow lets a client wait that sends malformed requests, the longer the more of them:
// without that, garbage on a hundred connections would keep the processors busy, and
// everybody else waiting.
func (c *conn) slow(err error) {
	if protocol.AsError(err).Code != protocol.CodeBadRequest {
		return
	}
	c.mistakes++
	task.Wait(min(time.Duration(c.mistakes)*time.Millisecond, maxSlow), c.ending)
}

// inTurn waits where a user other than the owner asks too fast.
func (c *conn) inTurn() {
	if !c.readOnly {
		return
	}
	if early := c.visitor.early(); early > 0 {
		task.Wait(early, c.ending)
	}
}

// send is false where the connection is of no more use.
func (c *conn) send(answer any) bool { return c.wire.write(lineOf(answer, c.readOnly)) }

// drain takes what the client is still writing: closing on unread bytes would break its
// pipe before it has read why.
func (c *conn) drain() {
	c.wire.peer.CloseWrite()
	c.wire.peer.SetReadDeadline(clock.Now().Add(drainTime))
	io.Copy(io.Discard, c.wire.peer)
}

// recoverPanic keeps a mistake of ours in one connection from ending the daemon. The
// panic's own text is logged only where the runtime wrote it: any other could quote a
// request (R12).
func (c *conn) recoverPanic() {
	p := recover()
	if p == nil {
		return
	}
	cause := fmt.Sprintf("%T", p)
	if err, ok := p.(runtime.Error); ok {
		cause = err.Error()
	}
	c.cfg.Log.Error("a request hit a bug in falcred", "cause", cause, "stack", string(debug.Stack()))
	c.send(protocol.Errorf(protocol.CodeInternal, "internal error in falcred\nsee its log"))
}
