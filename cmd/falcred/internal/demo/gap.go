package demo

import (
	"sync"
	"time"
)

// gap is the moment in which there is no daemon. A request that meets it may
// be repeated once, when the next daemon is there; any other request that
// fails is an error.
type gap struct {
	mu     sync.Mutex // guards what follows
	killed time.Time
	back   time.Time
	over   chan struct{}
}

// begin is called right before the daemon is killed.
func (g *gap) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.killed, g.over = time.Now(), make(chan struct{})
}

// end is called when a daemon answers again. It returns how long there was
// none.
func (g *gap) end() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.back = time.Now()
	close(g.over)
	return g.back.Sub(g.killed)
}

// excuses reports whether a request that began then, and has failed now, was
// under way in the gap.
func (g *gap) excuses(began time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.killed.IsZero() && (g.back.IsZero() || began.Before(g.back))
}

// wait is bounded: a daemon that does not come back is an error. stop ends it
// early, when the demo is given up.
func (g *gap) wait(stop <-chan struct{}) bool {
	g.mu.Lock()
	over := g.over
	g.mu.Unlock()
	select {
	case <-over:
		return true
	case <-stop:
		return false
	case <-time.After(patience):
		return false
	}
}
