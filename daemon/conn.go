package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/falcred/falcred/protocol"
)

// lingering is how long the rest of a line that was too long is read.
const lingering = time.Second

// maxSlow is the longest wait after a malformed request.
const maxSlow = 100 * time.Millisecond

// A request, from top to bottom:
//
//	talk            one line after the other
//	parse           what it asks for, and whether it may (§4, S7)
//	credentialLine  get and watch: the answer's bytes
//	  ready         the credential of the moment; nearly always enough
//	  await         joins a refresh (R1)
//	  line          its bytes, which nearly always are there too
//	answer          all other verbs

// conn is one client's connection. Until its first request has come whole, its
// stack is the smallest that Go has, 2 KiB: so that ten thousand silent or slow
// ones can wait, what needs more room is done in functions that are not inlined.
// (TestFlood prints what that comes to.)
type conn struct {
	*server
	wire stream
	in   protocol.Reader

	last     *request  // the last get or watch
	mistakes int       // malformed requests
	late     time.Time // the end of the patience with a client that had to wait when the daemon ended

	// A request seldom has a hundred. Last, so that what each request needs lies
	// together before it.
	buf [256]byte
}

//go:noinline
func newConn(s *server, peer *net.UnixConn) *conn {
	c := &conn{server: s}
	c.wire.open(peer, c.answerBy)
	c.in = protocol.NewRequestReader(&c.wire, c.buf[:])
	// Most ask what others ask: they share that line, and no connection has its own.
	if c.last = s.usual.Load(); c.last != nil {
		c.in.Expect(c.last.line)
	}
	return c
}

// talk answers one request after the other, in order, until the client hangs
// up, breaks the framing, or is too slow.
func (c *conn) talk() {
	defer c.survive()
	for !c.over() {
		line, err := c.readLine()
		if err != nil {
			if errors.Is(err, protocol.ErrTooLong) && c.send(err) {
				c.linger()
			}
			return
		}
		if !c.serve(line) {
			return
		}
	}
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

func (c *conn) over() bool {
	end := c.end()
	return !end.IsZero() && time.Now().After(end)
}

// answerBy is when an answer must have been taken that is written now: one total for all
// of them, once the daemon ends.
func (c *conn) answerBy() time.Time {
	by := time.Now().Add(c.answerTimeout)
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
		if late := time.Now().Add(lateGrace); late.After(end) {
			c.late = late
		}
	}
}

// serve answers one request.
//
//go:noinline
func (c *conn) serve(line string) bool {
	r, err := c.parse(line)
	switch {
	case err != nil:
		served := c.send(err)
		c.slow(err)
		return served
	case r.Verb == protocol.VerbGet:
		return c.get(r.query)
	case r.Verb == protocol.VerbWatch:
		c.watch(r.query)
		return false
	}
	return c.send(c.answer(r.Request))
}

// slow lets a client wait that sends malformed requests, the longer the more of
// them: without that, garbage on a hundred connections would keep the processors
// busy, and everybody else waiting.
func (c *conn) slow(err error) {
	if protocol.AsError(err).Code != protocol.CodeBadRequest {
		return
	}
	c.mistakes++
	select {
	case <-time.After(min(time.Duration(c.mistakes)*time.Millisecond, maxSlow)):
	case <-c.ending:
	}
}

// readLine bounds the time from a request's first byte to its last. An idle
// connection may stay.
func (c *conn) readLine() (string, error) {
	if err := c.in.Fill(); err != nil {
		return "", err
	}
	if line, whole := c.in.Next(); whole {
		return line, nil
	}
	c.readBy(time.Now().Add(c.requestTimeout))
	line, err := c.in.ReadLine()
	c.readBy(time.Time{})
	return line, err
}

//go:noinline
func (c *conn) readBy(deadline time.Time) { c.wire.peer.SetReadDeadline(deadline) }

// request is a line that was understood, and what a get or watch in it asks for. It
// is never changed: connections share it.
type request struct {
	protocol.Request
	line  string
	query protocol.Query
}

// parse refuses servers that are not answered for (§4). Most connections ask the
// same again, and the same as others.
func (c *conn) parse(line string) (*request, error) {
	if c.last == nil || c.last.line != line {
		c.last = c.usual.Load()
	}
	if c.last != nil && c.last.line == line {
		return c.last, nil
	}
	parsed, err := protocol.ParseRequest(line)
	if err != nil || parsed.Verb != protocol.VerbGet && parsed.Verb != protocol.VerbWatch {
		return &request{Request: parsed}, err
	}
	q, err := protocol.ParseQuery(parsed.Payload)
	if err == nil && c.sharing {
		if q, err = sharedQuery(q); err != nil {
			c.warnOnce(overreach, "verb", parsed.Verb)
		}
	}
	if err == nil && !c.login.cfg.Servers.Match(q.ServerURL) {
		err = protocol.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	c.last = &request{parsed, line, q}
	if len(line) <= len(c.buf) { // others would hold a long one in memory
		c.usual.Store(c.last)
	}
	return c.last, nil
}

func (c *conn) get(q protocol.Query) bool {
	c.gets.Add(1)
	line, _ := c.credentialLine(q)
	return c.wire.write(line)
}

// credentialLine is the answer to a get or watch, and says when that runs out: an
// error never does. A client's leaving cancels nothing (R1), so no request has a
// context that ends.
func (c *conn) credentialLine(q protocol.Query) (line []byte, expires time.Time) {
	credential, err := c.login.credential(context.Background(), q)
	c.hasWaited()
	if err != nil {
		return appendAnswer(nil, err), time.Time{}
	}
	return credential.line(q.ServerURL), credential.Expires
}

// answer is what is sent for all other requests: an error is one too.
func (c *conn) answer(request protocol.Request) any {
	if c.sharing && slices.Contains(ownersVerbs, request.Verb) {
		c.warnOnce(overreach, "verb", request.Verb)
		return errOnlyReads
	}
	var answer any
	var err error
	switch request.Verb {
	case protocol.VerbList:
		answer = c.login.servers(c.sharing)
	case protocol.VerbStore:
		err = c.store(request.Payload)
		c.hasWaited()
	case protocol.VerbErase:
		answer, err = c.erase(request.Payload)
		c.hasWaited()
	case protocol.VerbStatus:
		answer = c.status()
	case protocol.VerbVersion:
		answer = protocol.VersionAnswer{Version: c.login.cfg.Version, Protocol: protocol.Version}
	case protocol.VerbStop:
		c.login.log.Info("asked to stop", "pid", peerPID(c.wire.peer))
		c.stop()
	default:
		err = protocol.Errorf(protocol.CodeBadRequest, "unknown verb: falcred knows get, list, store, erase, status, version, watch and stop")
	}
	if err != nil {
		return err
	}
	return answer
}

func (c *conn) store(payload string) error {
	login, err := protocol.ParseLogin(payload)
	if err != nil {
		return err
	}
	return c.login.store(login)
}

func (c *conn) erase(payload string) (protocol.EraseAnswer, error) {
	q, err := protocol.ParseQuery(payload)
	if err != nil {
		return protocol.EraseAnswer{}, err
	}
	return c.login.erase(q)
}

// watch answers as get does, now and after each change of that answer, until
// the client hangs up. A slow reader finds the newest state when it is back:
// what happened in between is not kept for it.
func (c *conn) watch(q protocol.Query) {
	c.gets.Add(1)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		// Further requests are not read. Past the stream, which is for one goroutine:
		// answers are written to it meanwhile.
		io.Copy(io.Discard, c.wire.peer)
	}()
	var last []byte
	for {
		view := c.login.view.Load() // before the answer, so that no change is missed
		line, expires := c.credentialLine(q)
		if !bytes.Equal(line, last) && !c.wire.write(line) {
			return
		}
		last = line
		// A token also runs out with nobody doing anything.
		var runsOut <-chan time.Time
		if !expires.IsZero() {
			runsOut = time.After(time.Until(expires))
		}
		select {
		case <-view.changed:
		case <-runsOut:
		case <-gone:
			return
		}
	}
}

// errNoLine is no fault of the request, unlike [protocol.ErrTooLong].
var errNoLine = protocol.Errorf(protocol.CodeInternal, "the answer does not fit a line of 64 KiB")

// appendAnswer never fails: an answer that fits no line becomes an error.
func appendAnswer(dst []byte, answer any) []byte {
	line, err := protocol.AppendAnswer(dst, answer)
	if err != nil {
		line, _ = protocol.AppendAnswer(dst, errNoLine)
	}
	return line
}

// lines are buffers for other answers: an idle connection holds none.
var lines = sync.Pool{New: func() any { return new([]byte) }}

func (c *conn) send(answer any) bool {
	line := lines.Get().(*[]byte)
	defer lines.Put(line)
	*line = appendAnswer((*line)[:0], answer)
	return c.wire.write(*line)
}

// linger takes what the client is still writing: closing on unread bytes would
// break its pipe before it has read why.
func (c *conn) linger() {
	c.wire.peer.CloseWrite()
	c.wire.peer.SetReadDeadline(time.Now().Add(lingering))
	io.Copy(io.Discard, c.wire.peer)
}

// survive keeps a mistake of ours in one connection from ending the daemon.
// The panic's own text is printed only where the runtime wrote it: any other
// could quote a request (R12).
func (c *conn) survive() {
	p := recover()
	if p == nil {
		return
	}
	cause := fmt.Sprintf("%T", p)
	if err, ok := p.(runtime.Error); ok {
		cause = err.Error()
	}
	c.login.log.Error("a request met a mistake in falcred", "cause", cause, "stack", string(debug.Stack()))
	c.send(protocol.Errorf(protocol.CodeInternal, "internal error: see falcred's log"))
}
