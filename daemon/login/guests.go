package login

import (
	"slices"
	"sync"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/protocol"
)

const (
	// neighboursTurn passes between two holds of .portalock of which one is a guest's: a
	// neighbour tries every 250 ms, for 20 s, and gets it however many guests there are.
	neighboursTurn = 400 * time.Millisecond
	// firstPause and longestPause are those after what a guest had refused: the issuer is asked
	// six times a minute at most, and a good login behind bad ones gets its try within the
	// 45 s that docker-credential-fal waits.
	firstPause   = time.Second
	longestPause = 10 * time.Second
	// quietAfter is how long nothing must have been refused for the pauses to start anew.
	quietAfter = time.Minute
	// guestPatience is how long a guest waits for those before him.
	guestPatience = 30 * time.Second
	// maxRefused processes are remembered that have brought something which was refused.
	maxRefused = 64
)

// Client is who brings a login. Whoever has brought some that were refused lets others go
// first.
type Client struct {
	PID     int // 0 where it is not known
	Refused int // how many of those came on this connection
}

// guests are clients who bring a login or end one. One at a time is let in: an erase before
// every store, and of stores one of those who had fewest refused. What was refused is followed by a
// pause, since each makes the daemon ask the issuer, and hold the lock. The zero value is an
// empty house.
type guests struct {
	mu      sync.Mutex // guards what follows
	inside  bool
	waiting []*guest // in the order of their coming
	refused []int    // the processes of those whose login was refused, the last at the end
	stores  pacing
	erases  pacing
}

type guest struct {
	pace   *pacing // nil for an erase that asks no issuer
	erases bool
	by     Client
	in     chan struct{} // closed when the guest is let in
}

// pacing is the pause after what was refused.
type pacing struct {
	pause time.Duration
	until time.Time
}

func (p *pacing) refused(now time.Time) {
	if now.Sub(p.until) > quietAfter {
		p.pause = 0
	}
	p.pause = min(max(2*p.pause, firstPause), longestPause)
	p.until = now.Add(p.pause)
}

// enter waits for the guest's turn. Whoever gets in leaves.
func (g *guests) enter(end ending, one *guest) error {
	if end.over() {
		return errEndsNow
	}
	one.in = make(chan struct{})
	g.mu.Lock()
	g.waiting = append(g.waiting, one)
	g.letIn()
	g.mu.Unlock()
	select {
	case <-one.in:
		return nil
	case <-end.begun.Done():
		return g.giveUp(one, errEndsNow)
	case <-clock.After(guestPatience):
		return g.giveUp(one, errBusy)
	}
}

var (
	errEndsNow = protocol.Errorf(protocol.CodeUnavailable, "falcred is shutting down\ntry again in a moment")
	errBusy    = protocol.Errorf(protocol.CodeUnavailable, "other stores and erases have been under way for 30 s\ntry again in a moment")
)

// giveUp is the end of a guest's patience, unless he has just been let in.
func (g *guests) giveUp(one *guest, why error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := len(g.waiting)
	g.waiting = slices.DeleteFunc(g.waiting, func(other *guest) bool { return other == one })
	if len(g.waiting) == before {
		return nil
	}
	return why
}

// letIn lets in the next guest whose pause is over, if nobody is inside. The mutex is held.
func (g *guests) letIn() {
	if g.inside || len(g.waiting) == 0 {
		return
	}
	now := clock.Now()
	var next *guest
	soonest := longestPause
	for _, one := range g.waiting {
		if one.pace != nil && one.pace.until.After(now) {
			soonest = min(soonest, one.pace.until.Sub(now))
		} else if next == nil || g.rank(one) < g.rank(next) {
			next = one
		}
	}
	if next == nil {
		clock.AfterFunc(soonest, func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.letIn()
		})
		return
	}
	g.inside = true
	g.waiting = slices.DeleteFunc(g.waiting, func(one *guest) bool { return one == next })
	close(next.in)
}

// rank is lowest for who goes first.
func (g *guests) rank(one *guest) (refused int) {
	if one.erases {
		return -1
	}
	for _, pid := range g.refused {
		if pid == one.by.PID {
			refused++
		}
	}
	return refused + one.by.Refused
}

// leave makes room for the next.
func (g *guests) leave(one *guest, refused bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside = false
	switch {
	case one.pace == nil:
	case refused:
		one.pace.refused(clock.Now())
	default:
		*one.pace = pacing{}
	}
	if refused && !one.erases {
		g.refused = append(g.refused, one.by.PID)
		g.refused = g.refused[max(0, len(g.refused)-maxRefused):]
	}
	g.letIn()
}

// warning is for status, "" where nothing is paced.
func (g *guests) warning() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stores.pause < longestPause || clock.Now().Sub(g.stores.until) > quietAfter {
		return ""
	}
	return "logins that programs bring to the socket (store) are refused again and again, so they are let in once in 10 s" +
		"\nfind the program: the log names its process"
}
