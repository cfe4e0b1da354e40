package server

import (
	"bytes"
	"context"
	"io"
	"maps"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/socket"
	"github.com/falcred/falcred/protocol"
)

// answer answers one request. It is false where the connection is of no more use.
func (c *conn) answer(line string) bool {
	r, err := protocol.ParseRequest(line)
	switch {
	case err != nil:
		return c.refuse(err)
	case c.refusal != nil && r.Verb != protocol.VerbStop:
		return c.send(c.refusal)
	case r.Verb != protocol.VerbGet && r.Verb != protocol.VerbWatch:
		return c.send(c.result(r))
	}
	q, err := c.query(r)
	if err != nil {
		return c.refuse(err)
	}
	c.gets.Add(1)
	if r.Verb == protocol.VerbWatch {
		c.watch(q)
		return false
	}
	answer, _ := c.credentialLine(q)
	return c.wire.write(answer)
}

// refuse answers a request that says nothing useful.
func (c *conn) refuse(err error) bool {
	sent := c.send(err)
	c.slow(err)
	return sent
}

// query is what a get or watch asks for. Servers that are not answered for are refused:
// nothing else ever gets a token.
func (c *conn) query(r protocol.Request) (protocol.Query, error) {
	q, err := protocol.ParseQuery(r.Payload)
	if err == nil && c.readOnly {
		if q, err = sharedQuery(q); err != nil {
			c.warnOnce(overreach, "verb", r.Verb)
		}
	}
	if err == nil && !c.cfg.Servers.Match(q.ServerURL) {
		err = protocol.ErrNotFound
	}
	return q, err
}

// credentialLine is the answer to a get or watch, and says when that runs out: an error
// never does. A client's leaving cancels nothing (R1), so no request has a context that
// ends.
func (c *conn) credentialLine(q protocol.Query) (line []byte, expires time.Time) {
	answer, err := c.login.Get(context.Background(), q)
	c.hasWaited()
	if err != nil {
		return lineOf(err, c.readOnly), time.Time{}
	}
	if line, err = answer.Line(q.ServerURL); err != nil {
		line = lineOf(errNoLine, c.readOnly)
	}
	return line, answer.Expires
}

// watch answers as get does, now and after each change of that answer, until the client
// hangs up. A slow reader finds the newest state when it is back: what happened in
// between is not kept for it.
func (c *conn) watch(q protocol.Query) {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		io.Copy(io.Discard, c.wire.peer) // further requests are not read
	}()
	var last []byte
	var over time.Duration // how long the last pause was after the end that a token names
	for {
		changed := c.login.Snapshot().Changed() // before the answer, so that no change is missed
		line, expires := c.credentialLine(q)
		if !bytes.Equal(line, last) && !c.wire.write(line) {
			return
		}
		last = line
		var pause time.Duration
		pause, over = nextLook(q, expires, over)
		if task.Wait(pause, changed, gone) == 1 {
			return
		}
	}
}

// nextLook is how long a watch waits for a change before it looks by itself. A token also runs out with
// nobody doing anything: within the second that it says.
func nextLook(q protocol.Query, expires time.Time, over time.Duration) (pause, nowOver time.Duration) {
	switch {
	case !expires.IsZero():
		return untilLook(expires.Sub(clock.Now()), over)
	case q.Team != nil:
		return teamLook, 0
	}
	return task.Forever, 0
}

// teamLook is after how long a watch that has no credential for a team wants it again: nobody else does.
const teamLook = time.Minute

// untilLook is how long a watch waits before it looks by itself whether a token has run out,
// where that much of its life is left. The issuer says when, by its own clock: one that is
// served after that, since ours is ahead, would be looked at without a pause. over is the last
// pause of that kind.
func untilLook(left, over time.Duration) (pause, nowOver time.Duration) {
	if left > 0 {
		return max(left, 50*time.Millisecond), 0
	}
	over = min(max(2*over, time.Second), time.Minute)
	return over, over
}

// result is what is sent for all other requests: an error is one too. What a verb does
// decides whether others may ask for it (S7), so each stands in one of two lists.
func (c *conn) result(r protocol.Request) any {
	switch r.Verb {
	case protocol.VerbList:
		return c.servers()
	case protocol.VerbStatus:
		if !c.readOnly {
			c.login.Look()
			if c.cfg.Look != nil {
				c.cfg.Look()
			}
		}
		return c.status()
	case protocol.VerbVersion:
		return protocol.VersionAnswer{Version: c.cfg.Version, Protocol: protocol.Version}
	case protocol.VerbStore, protocol.VerbErase, protocol.VerbStop:
		if c.readOnly {
			c.warnOnce(overreach, "verb", r.Verb)
			return errOnlyReads
		}
		return c.ownersResult(r)
	}
	return errUnknownVerb
}

// servers are those that there is a credential for. Others are not told which the owner has
// added.
func (c *conn) servers() map[string]string {
	list := c.login.Snapshot().Servers(c.readOnly)
	if c.readOnly {
		maps.DeleteFunc(list, func(server, _ string) bool { return !c.cfg.Servers.IsFal(server) })
	}
	return list
}

// ownersResult is result for what changes something.
func (c *conn) ownersResult(r protocol.Request) any {
	switch r.Verb {
	case protocol.VerbStore:
		return c.store(r.Payload)
	case protocol.VerbErase:
		return c.erase(r.Payload)
	case protocol.VerbStop:
		c.cfg.Log.Info("asked to stop", "pid", socket.PeerPID(c.wire.peer))
		c.cfg.Stop()
		return nil
	}
	return errUnknownVerb
}

var errUnknownVerb = protocol.Errorf(protocol.CodeBadRequest, "unknown verb: falcred knows get, list, store, erase, status, version, watch and stop")

func (c *conn) store(payload string) any {
	offered, err := protocol.ParseLogin(payload)
	if err != nil {
		return err
	}
	err = c.login.Store(offered, login.Client{PID: socket.PeerPID(c.wire.peer), Refused: c.refused})
	if err != nil {
		c.refused++
	}
	c.hasWaited()
	return err
}

func (c *conn) erase(payload string) any {
	q, err := protocol.ParseQuery(payload)
	if err != nil {
		return err
	}
	done, err := c.login.Erase(q)
	c.hasWaited()
	if err != nil {
		return err
	}
	return done
}
