package server

import (
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
)

// What a client can make grow is bounded: connections by those of all and of each user,
// requests of others by their number in a second, lines of the log by their kind.

const (
	// eachTakes and burst: others' requests are answered a thousand times a second for each
	// user, all his connections together, and as many at once after a second of silence. A
	// user who sends them without a pause must not have the owner's processors.
	eachTakes = time.Millisecond
	burst     = time.Second

	// maxAlike lines of one kind are logged in a time of logAgain.
	maxAlike = 16
	logAgain = 24 * time.Hour
)

// visitor is a user who may connect: there are as many as FALCRED_ALLOW_UIDS names, ourselves
// and root.
type visitor struct {
	open int // connections; guarded by Server.mu

	mu   sync.Mutex // guards what follows
	paid time.Time  // up to when his requests have used up their time
}

// early is how long a request comes too early, and counts it.
func (v *visitor) early() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := clock.Now()
	if v.paid.Before(now) {
		v.paid = now
	}
	early := v.paid.Sub(now) - burst
	v.paid = v.paid.Add(eachTakes)
	return max(early, 0)
}

// eachMayHave is how many connections one user may have open: others in equal parts, so that
// none keeps another out; on the owner's own socket he and root leave each other some.
func (s *Server) eachMayHave() int {
	if !s.readOnly {
		if os.Geteuid() == 0 {
			return s.limit
		}
		return s.limit - s.limit/8
	}
	users := map[int]bool{0: true, os.Geteuid(): true}
	for _, uid := range s.others {
		users[uid] = true
	}
	return max(s.limit/len(users), 1)
}

// enter counts a connection of a user. It says why where there is no room for it.
func (s *Server) enter(c *net.UnixConn, uid int) (v *visitor, full string) {
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
	case v.open >= s.eachMayHave():
		return nil, "a user has all the connections that one may have; a client was turned away"
	}
	v.open++
	s.open[c] = v
	return v, ""
}

// inTurn waits where a user other than the owner asks too fast.
func (c *conn) inTurn() {
	if !c.readOnly {
		return
	}
	if early := c.visitor.early(); early > 0 {
		select {
		case <-clock.After(early):
		case <-c.ending:
		}
	}
}

// logged is what of clients' doings has been logged.
type logged struct {
	mu    sync.Mutex // guards what follows
	since time.Time
	lines map[string]map[string]bool // by their kind
}

// first says whether a line of a kind is to be logged, and whether it is the last of it.
func (l *logged) first(kind, line string) (first, last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := clock.Now(); l.lines == nil || now.Sub(l.since) > logAgain {
		l.since, l.lines = now, map[string]map[string]bool{}
	}
	alike := l.lines[kind]
	if alike == nil {
		alike = map[string]bool{}
		l.lines[kind] = alike
	}
	if alike[line] || len(alike) == maxAlike {
		return false, false
	}
	alike[line] = true
	return true, len(alike) == maxAlike
}

// warnOnce logs what clients bring about, each thing once a day and not many of a kind: the
// log must not grow with their number. what is a fixed text.
func (s *Server) warnOnce(what string, more ...any) {
	first, last := s.logged.first(what, fmt.Sprint(more...))
	if first {
		s.cfg.Log.Warn(what, more...)
	}
	if last {
		s.cfg.Log.Warn("further clients like the last ones are not logged today")
	}
}
