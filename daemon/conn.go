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
	"time"

	"github.com/falcred/falcred/protocol"
)

// lingering is how long the rest of a line that was too long is read.
const lingering = time.Second

// conn is one client's connection.
type conn struct {
	*server
	peer *net.UnixConn
	in   *protocol.Reader
}

func newConn(s *server, peer *net.UnixConn) *conn {
	return &conn{server: s, peer: peer, in: protocol.NewRequestReader(peer)}
}

// talk answers one request after the other, in order, until the client hangs
// up, breaks the framing, or is too slow.
func (c *conn) talk() {
	defer c.survive()
	for {
		c.peer.SetReadDeadline(time.Time{}) // an idle connection may stay
		if c.in.Fill() != nil {
			return
		}
		c.peer.SetReadDeadline(time.Now().Add(c.requestTimeout))
		line, err := c.in.ReadLine()
		if errors.Is(err, protocol.ErrTooLong) {
			if c.send(err) {
				c.linger()
			}
			return
		}
		if err != nil {
			return
		}
		request, err := protocol.ParseRequest(line)
		if err == nil && request.Verb == protocol.VerbWatch {
			var q protocol.Query
			if q, err = c.query(request.Payload); err == nil {
				c.watch(q)
				return
			}
		}
		if !c.send(c.answer(request, err)) {
			return
		}
	}
}

// answer is what is sent for a request: an error is one too. A client's
// leaving cancels nothing (R1), so no request has a context that ends.
func (c *conn) answer(request protocol.Request, err error) any {
	if err != nil {
		return err
	}
	if c.sharing && (request.Verb == protocol.VerbStore || request.Verb == protocol.VerbErase) {
		return errOnlyReads
	}
	ctx := context.Background()
	var answer any
	switch request.Verb {
	case protocol.VerbGet:
		answer, err = c.get(ctx, request.Payload)
	case protocol.VerbList:
		answer = c.login.servers(c.sharing)
	case protocol.VerbStore:
		err = c.store(request.Payload)
	case protocol.VerbErase:
		answer, err = c.erase(request.Payload)
	case protocol.VerbStatus:
		answer = c.status()
	case protocol.VerbVersion:
		answer = protocol.VersionAnswer{Version: c.login.cfg.Version, Protocol: protocol.Version}
	default:
		err = protocol.Errorf(protocol.CodeBadRequest, "unknown verb: falcred knows get, list, store, erase, status, version and watch")
	}
	if err != nil {
		return err
	}
	return answer
}

// query is what get and watch ask for.
func (c *conn) query(payload string) (protocol.Query, error) {
	q, err := protocol.ParseQuery(payload)
	if err == nil && c.sharing {
		return sharedQuery(q)
	}
	return q, err
}

func (c *conn) get(ctx context.Context, payload string) (protocol.Credential, error) {
	q, err := c.query(payload)
	if err != nil {
		return protocol.Credential{}, err
	}
	c.gets.Add(1)
	return c.login.Credential(ctx, q)
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
	c.peer.SetReadDeadline(time.Time{})
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		io.Copy(io.Discard, c.peer) // further requests are not read
	}()
	var last []byte
	for {
		view := c.login.view.Load() // before the answer, so that no change is missed
		credential, err := c.login.Credential(context.Background(), q)
		line := answerLine(credential)
		if err != nil {
			line = answerLine(err)
		}
		if !bytes.Equal(line, last) && !c.write(line) {
			return
		}
		last = line
		// A token also runs out with nobody doing anything.
		var runsOut <-chan time.Time
		if err == nil && !credential.Expires.IsZero() {
			runsOut = time.After(time.Until(credential.Expires))
		}
		select {
		case <-view.changed:
		case <-runsOut:
		case <-gone:
			return
		}
	}
}

// answerLine never fails: an answer that fits no line becomes an error.
func answerLine(answer any) []byte {
	line, err := protocol.AppendAnswer(nil, answer)
	if err != nil {
		line, _ = protocol.AppendAnswer(nil, protocol.Errorf(protocol.CodeInternal, "the answer does not fit a line of 64 KiB"))
	}
	return line
}

func (c *conn) send(answer any) bool { return c.write(answerLine(answer)) }

// write gives up on a client that does not read.
func (c *conn) write(line []byte) bool {
	c.peer.SetWriteDeadline(time.Now().Add(c.answerTimeout))
	_, err := c.peer.Write(line)
	return err == nil
}

// linger takes what the client is still writing: closing on unread bytes would
// break its pipe before it has read why.
func (c *conn) linger() {
	c.peer.CloseWrite()
	c.peer.SetReadDeadline(time.Now().Add(lingering))
	io.Copy(io.Discard, c.peer)
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
