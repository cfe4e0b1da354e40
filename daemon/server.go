package daemon

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/peer"
)

// drain is how long the end waits for those who have connected and are about
// to ask (S5).
const drain = 50 * time.Millisecond

// maxAway is how many clients may be turned away at one moment. Each takes one of the
// reserved descriptors.
const maxAway = 16

// acceptPause bounds how long accept waits when the system has no descriptor
// left (S6).
const acceptPause = time.Second

// server answers clients (protocol's package text is its specification). Each
// connection has its own goroutine, and none of them waits for another.
type server struct {
	login          *Login
	path           string
	sharing        bool  // S7: others may ask, and only read
	others         []int // who they are
	since          time.Time
	limit          int // S6
	requestTimeout time.Duration
	answerTimeout  time.Duration
	grace          time.Duration // in which answers must be taken when the end has begun (S5)
	stop           func()        // ends the daemon (S10)

	gets  atomic.Int64
	talks sync.WaitGroup
	away  chan struct{}           // one for each client that is being turned away
	said  sync.Map                // what warnOnce has logged
	usual atomic.Pointer[request] // the get or watch that was understood last

	ending chan struct{} // closed by hush
	until  time.Time     // set before that: when answers must have been taken

	mu   sync.Mutex // guards what follows
	open map[*net.UnixConn]bool
}

func newServer(l *Login, path string) *server {
	return &server{
		login:          l,
		path:           path,
		since:          time.Now(),
		limit:          maxConnections(),
		requestTimeout: protocol.RequestTimeout,
		answerTimeout:  protocol.AnswerTimeout,
		grace:          ownerGrace,
		stop:           func() {},
		away:           make(chan struct{}, maxAway),
		ending:         make(chan struct{}),
		open:           map[*net.UnixConn]bool{},
	}
}

// serve returns when ctx has ended and everybody who had asked is answered, or has had
// the time to take the answers (S5).
func (s *server) serve(ctx context.Context, sock *socket) {
	stop := context.AfterFunc(ctx, func() {
		sock.remove() // who comes now finds nobody, and need not wait for us
		sock.listener.SetDeadline(time.Now().Add(drain))
	})
	defer stop()
	s.accept(ctx, sock.listener)
	sock.remove()
	go sock.listener.Close() // what somebody in its queue has passed along may hold that up
	s.hush()
	s.talks.Wait()
}

// accept ends when the listener does. Any other error is the system's, and
// passes.
func (s *server) accept(ctx context.Context, listener *net.UnixListener) {
	var pause time.Duration
	for {
		c, err := listener.AcceptUnix()
		switch {
		case err == nil:
			pause = 0
			s.admit(c)
			continue
		case errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded):
			return
		case pause == 0:
			s.login.log.Warn("connections cannot be accepted; it is tried again", "cause", err)
		}
		pause = min(max(2*pause, 5*time.Millisecond), acceptPause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// admit lets a client in, or turns it away before a byte of it is read.
func (s *server) admit(c *net.UnixConn) {
	if err := peer.Check(c, s.others...); err != nil { // S3, S7
		uid, _ := peer.UID(c)
		s.warnOnce("a client was denied", "uid", uid, "cause", err)
		s.turnAway(c, err)
		return
	}
	s.mu.Lock()
	full := len(s.open) >= s.limit
	if !full {
		s.open[c] = true
	}
	s.mu.Unlock()
	if full { // S6
		s.warnOnce("there was no connection to spare", "limit", s.limit)
		s.turnAway(c, protocol.Errorf(protocol.CodeUnavailable, "falcred has no connection to spare; try again later"))
		return
	}
	s.talks.Go(func() {
		defer s.leave(c)
		newConn(s, c).talk()
	})
}

// warnOnce logs what clients bring about, each thing once: the log must not grow
// with their number.
func (s *server) warnOnce(what string, more ...any) {
	if _, said := s.said.LoadOrStore(what+fmt.Sprint(more...), true); !said {
		s.login.log.Warn(what, more...)
	}
}

// turnAway does not wait for its reader: the buffer of a new connection takes
// a line. Nor does who accepts wait for the close, which can take as long as the sender
// of a descriptor likes; but for a place among those who are turned away.
func (s *server) turnAway(c *net.UnixConn, err error) {
	select {
	case s.away <- struct{}{}:
	case <-s.login.ending.begun.Done(): // S5: nobody waits for a place then
		go c.Close()
		return
	}
	go func() {
		defer func() { <-s.away }()
		if line, err := protocol.AppendAnswer(nil, err); err == nil {
			c.SetWriteDeadline(time.Now().Add(drain))
			c.Write(line)
		}
		c.Close()
	}()
}

func (s *server) leave(c *net.UnixConn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// hush ends the reading of all connections. What had arrived before is still
// read and answered, then comes the end of the stream (S5). That is Linux's
// shutdown(2); a BSD kernel drops the unread, which costs macOS requests that
// were sent ahead of an answer still being waited for.
func (s *server) hush() {
	s.until = time.Now().Add(s.grace)
	close(s.ending)
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		c.CloseRead()
		c.SetWriteDeadline(s.until) // of an answer that waits already; those to come know (answerBy)
	}
}

func (s *server) status() protocol.Status {
	status := s.login.status()
	if s.sharing {
		status = s.login.sharedStatus()
	}
	status.Version, status.Protocol = s.login.cfg.Version, protocol.Version
	status.PID, status.Since = os.Getpid(), s.since
	if !s.sharing {
		status.Socket = s.path
	}
	status.Clients = int(min(s.gets.Load(), math.MaxInt)) // as many as an int of this machine holds
	s.mu.Lock()
	defer s.mu.Unlock()
	status.Connections = len(s.open)
	return status
}
