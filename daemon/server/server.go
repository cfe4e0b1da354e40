// Package server answers clients: it takes the connections of a [socket.Socket], reads
// requests of package protocol from them, and answers from a [login.Manager].
//
// It promises that nobody waits for another client: each connection has a goroutine of
// its own, a request has to arrive whole within [protocol.RequestTimeout] of its first
// byte, and an answer that nobody reads ends its connection after
// [protocol.AnswerTimeout]. The user at the other end is known by the kernel's word
// before a byte is read. Enough descriptors are kept free for a refresh, whoever
// connects. An end is bounded by seconds, whatever clients do, and what was asked before
// it is answered; on macOS not all that was sent ahead (closeReads). Nothing of a request
// is logged but its verb: the rest may hold a token.
//
// A share socket ([Share]) is for others, who get the login's access token there and can
// change nothing.
package server

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/socket"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/peer"
)

const (
	// lastCall is how long the end waits for those who have connected and are about to
	// ask (S5).
	lastCall = 50 * time.Millisecond

	// firstRequest is how long ago one of those has connected at most, where another daemon is there
	// for whoever comes later (S9): a machine under load lets some time pass between the two.
	firstRequest = time.Second

	// S5: how long answers may wait for their readers once the end has begun, all of a
	// client's together. Package login has the other moments of an end.
	ownerGrace = 5 * time.Second // a machine under load must not cost the owner's programs theirs
	shareGrace = 2 * time.Second // others' answers cross a network at most: some round trips
	lateGrace  = time.Second     // for answers that waited for a rotation past those

	// refusalTime is how long a client that is turned away has for reading why.
	refusalTime = 50 * time.Millisecond
	// maxAway is how many clients may be turned away at one moment. Each takes one of the
	// reserved descriptors (S6).
	maxAway = 16

	// acceptPause bounds how long accept waits when the system has no descriptor left
	// (S6).
	acceptPause = time.Second
)

// maxShared bounds what others' connections cost in memory, whatever the limit of
// descriptors: each can hold a request of 64 KiB.
const maxShared = 1024

// shareOf is the part of all connections that others can have: they must not keep the
// owner out (S6).
func shareOf(limit int) int { return min(limit/4, maxShared) }

// Options say how to serve.
type Options struct {
	Version string      // falcred's own, for version and status
	Servers env.Servers // those that are answered for; nobody else ever gets a token
	Log     *slog.Logger
	Stop    func() // ends the daemon, when the owner asks for it; nil ignores that
	Look    func() // looks at what status is to tell, before the owner is told it; waits for nothing that can hang; may be nil

	// Closing is called when nothing more is read: the end has begun, and who had come just before has
	// asked. May be nil.
	Closing func()

	OnDemand bool // docker-credential-fal has started this daemon: for status

	// Shared says that there is a share socket as well: a part of the connections is
	// kept for it.
	Shared bool
}

// Server answers the clients of one socket. Its methods may be called from any
// goroutine, Serve once.
type Server struct {
	cfg            Options
	login          *login.Manager
	path           string
	refusal        *protocol.Error // S11: what all are told, nil where there is a login to serve
	readOnly       bool            // S7: this is the share socket
	others         []int           // the uids that may ask there
	since          time.Time
	limit          int // of connections (S6)
	requestTimeout time.Duration
	answerTimeout  time.Duration
	grace          time.Duration // in which answers must be taken when the end has begun (S5)
	firstRequest   time.Duration // in which who has connected is about to ask (S9)

	gets   atomic.Int64 // requests for a credential
	conns  sync.WaitGroup
	away   chan struct{} // one for each client that is being turned away
	logged logged

	ending chan struct{} // closed by closeReads
	until  time.Time     // set before that: when answers must have been taken

	mu       sync.Mutex // guards what follows
	open     map[*socket.Conn]*visitor
	silent   map[*socket.Conn]time.Time // those who have not asked anything so far, since when
	visitors map[int]*visitor           // by their uids: of those who are let in, a few
}

// New makes the server of the owner's socket. Nothing is served before Serve.
func New(m *login.Manager, o Options) *Server {
	if o.Stop == nil {
		o.Stop = func() {}
	}
	s := &Server{
		cfg:            o,
		login:          m,
		since:          clock.Now(),
		limit:          maxConnections(),
		requestTimeout: protocol.RequestTimeout,
		answerTimeout:  protocol.AnswerTimeout,
		grace:          ownerGrace,
		firstRequest:   firstRequest,
		away:           make(chan struct{}, maxAway),
		ending:         make(chan struct{}),
		open:           map[*socket.Conn]*visitor{},
		silent:         map[*socket.Conn]time.Time{},
		visitors:       map[int]*visitor{},
	}
	if o.Shared {
		s.limit -= shareOf(s.limit)
	}
	return s
}

// Refusing makes the server of a daemon that cannot start: each request but stop is answered
// with that error.
func Refusing(err *protocol.Error, o Options) *Server {
	s := New(nil, o)
	s.refusal = err
	return s
}

// Serve answers until ctx ends, or the listener is closed. It returns when everybody who
// had asked is answered, or has had 5 s to take the answers (2 s at a share socket, one more
// where they waited for a refresh). The socket's name is gone then, unless it was left to another
// process (S9); its lock is not, so that no other daemon starts before the caller lets it.
func (s *Server) Serve(ctx context.Context, sock *socket.Socket) {
	listener := sock.Listener()
	s.path = sock.Path()
	stop := context.AfterFunc(ctx, func() {
		sock.Remove() // who comes now finds nobody, and need not wait for us
		more := lastCall
		if sock.Left() {
			more = 0 // who comes now waits in the queue for the next one (S9)
		}
		listener.SetDeadline(clock.Now().Add(more))
	})
	defer stop()
	s.accept(ctx, listener)
	sock.Remove()
	go listener.Close() // what somebody in its queue has passed along may hold that up
	if sock.Left() {
		for s.anyAboutToAsk() {
			clock.Sleep(time.Millisecond)
		}
	}
	if s.cfg.Closing != nil {
		s.cfg.Closing()
	}
	s.closeReads()
	s.conns.Wait()
}

// accept ends when the listener does. Any other error is the system's, and passes.
func (s *Server) accept(ctx context.Context, listener *socket.Listener) {
	var pause time.Duration
	for {
		c, err := listener.AcceptUnix()
		switch {
		case err == nil:
			pause = 0
			s.admit(ctx, c)
			continue
		case errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded):
			return
		case pause == 0:
			s.cfg.Log.Warn("cannot accept connections; trying again", "cause", err)
		}
		pause = min(max(2*pause, 5*time.Millisecond), acceptPause)
		if task.Wait(pause, ctx.Done()) == 0 {
			return
		}
	}
}

// admit lets a client in, or turns it away before a byte of it is read.
func (s *Server) admit(ctx context.Context, c *socket.Conn) {
	uid, _ := peer.UID(c)
	if err := peer.Check(c, s.others...); err != nil { // S3, S7
		s.warnOnce("a client was denied", "uid", peer.User(c), "cause", err)
		s.turnAway(ctx, c, err)
		return
	}
	v, full := s.enter(c, uid)
	if full != "" { // S6
		s.warnOnce(full, "uid", peer.User(c), "limit", s.limit)
		s.turnAway(ctx, c, protocol.Errorf(protocol.CodeUnavailable, "all of falcred's connections are in use\ntry again later"))
		return
	}
	s.conns.Go(func() {
		defer s.leave(c)
		s.serveConn(c, v)
	})
}

// enter counts a connection of a user. It says why where there is no room for it.
func (s *Server) enter(c *socket.Conn, uid int) (v *visitor, full string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v = s.visitors[uid]
	if v == nil {
		v = &visitor{}
		s.visitors[uid] = v
	}
	switch {
	case len(s.open) >= s.limit:
		return nil, "all connections are in use; a client was turned away"
	case v.open >= eachMayHave(s.limit, s.readOnly, s.others):
		return nil, "a user has all the connections that one may have; a client was turned away"
	}
	v.open++
	s.open[c], s.silent[c] = v, clock.Now()
	return v, ""
}

// heard is that a client has asked something.
func (s *Server) heard(c *socket.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.silent, c)
}

// anyAboutToAsk says whether somebody has just come, and has not asked anything yet.
func (s *Server) anyAboutToAsk() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, since := range s.silent {
		if clock.Now().Sub(since) < s.firstRequest {
			return true
		}
	}
	return false
}

// warnOnce logs what clients bring about.
func (s *Server) warnOnce(what string, more ...any) { s.logged.warn(s.cfg.Log, what, more...) }

// turnAway says why and closes the connection. It does not wait for its reader: the buffer of
// a new connection takes a line. Nor does it wait for the close, which can take as long as
// the sender of a descriptor likes. It waits only while too many are being turned away.
func (s *Server) turnAway(ctx context.Context, c *socket.Conn, err error) {
	select {
	case s.away <- struct{}{}:
	case <-ctx.Done(): // S5: nobody waits any more
		go c.Close()
		return
	}
	go func() {
		defer func() { <-s.away }()
		c.SetWriteDeadline(clock.Now().Add(refusalTime))
		c.Write(lineOf(err, s.readOnly))
		c.Close()
	}()
}

// leave closes a connection and counts it no more.
func (s *Server) leave(c *socket.Conn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c].open--
	delete(s.open, c)
	delete(s.silent, c)
}

// closeReads ends the reading of all connections. What had arrived before is still read
// and answered, then comes the end of the stream (S5). That is Linux's shutdown(2); a BSD
// kernel drops the unread, which costs macOS requests that were sent ahead of an answer
// still being waited for.
func (s *Server) closeReads() {
	s.until = clock.Now().Add(s.grace)
	close(s.ending)
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		c.CloseRead()
		c.SetWriteDeadline(s.until) // of an answer that waits already; those to come know (answerBy)
	}
}

// status is the login's, and the server's own.
func (s *Server) status() protocol.Status {
	snapshot := s.login.Snapshot()
	status := snapshot.Status()
	if s.readOnly {
		status = snapshot.SharedStatus()
	} else {
		status.Socket, status.OnDemand = s.path, s.cfg.OnDemand
		if paced := s.login.Paced(); paced != "" {
			status.Warnings = append(status.Warnings, paced)
		}
	}
	status.Version, status.Protocol = s.cfg.Version, protocol.Version
	status.PID, status.Since = os.Getpid(), s.since
	status.Clients = int(min(s.gets.Load(), math.MaxInt)) // as many as an int of this machine holds
	s.mu.Lock()
	defer s.mu.Unlock()
	status.Connections = len(s.open)
	return status
}
