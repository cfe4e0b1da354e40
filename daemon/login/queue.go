package login

import (
	"slices"
	"sync"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/protocol"
)

const (
	// neighboursTurn passes between two holds of .portalock of which one is a client's doing:
	// a neighbour tries every 250 ms, for 20 s, and gets it however many clients there are.
	neighboursTurn = 400 * time.Millisecond
	// firstPause and longestPause are those after a refusal: the issuer is asked
	// six times a minute at most, and a good login behind bad ones gets its try within the
	// 45 s that docker-credential-fal waits.
	firstPause   = time.Second
	longestPause = 10 * time.Second
	// quietAfter is how long nothing must have been refused for the pauses to start anew.
	quietAfter = time.Minute
	// queuePatience is how long a client waits for those before it.
	queuePatience = 30 * time.Second
	// maxRefused processes are remembered that have brought something which was refused.
	maxRefused = 64
)

// Client is who brings a login. Whoever has brought some that were refused lets others go
// first.
type Client struct {
	PID     int // 0 where it is not known
	Refused int // how many of those came on this connection
}

// queue is of the stores and erases that clients ask for. One at a time is let in: an erase
// before every store, and of stores one of those who had fewest refused. A refusal is followed
// by a pause, since each makes the daemon ask the issuer, and hold the lock. The zero value is
// an empty queue.
type queue struct {
	mu      sync.Mutex // guards what follows
	inside  bool
	waiting []*waiter // in the order of their coming
	refused []int     // the processes of those whose login was refused, the last at the end
	stores  pacing
	erases  pacing
}

// waiter is one store or erase in the queue.
type waiter struct {
	pace   *pacing // nil for an erase that asks no issuer
	erases bool
	by     Client
	in     chan struct{} // closed when it is let in
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

// enter waits for its turn. Whoever gets in leaves.
func (q *queue) enter(end ending, one *waiter) error {
	if end.over() {
		return errEndsNow
	}
	one.in = make(chan struct{})
	q.mu.Lock()
	q.waiting = append(q.waiting, one)
	q.letIn()
	q.mu.Unlock()
	switch task.Wait(queuePatience, one.in, end.begun.Done()) {
	case 0:
		return nil
	case 1:
		return q.giveUp(one, errEndsNow)
	}
	return q.giveUp(one, errBusy)
}

var (
	errEndsNow = protocol.Errorf(protocol.CodeUnavailable, "falcred is shutting down\ntry again in a moment")
	errBusy    = protocol.Errorf(protocol.CodeUnavailable, "other programs have been logging in or out (store, erase) for 30 s\ntry again in a moment")
)

// giveUp is the end of a client's patience, unless it has just been let in.
func (q *queue) giveUp(one *waiter, why error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := len(q.waiting)
	q.waiting = slices.DeleteFunc(q.waiting, func(other *waiter) bool { return other == one })
	if len(q.waiting) == before {
		return nil
	}
	return why
}

// letIn lets in the next one whose pause is over, if nobody is inside. The mutex is held.
func (q *queue) letIn() {
	if q.inside || len(q.waiting) == 0 {
		return
	}
	now := clock.Now()
	var next *waiter
	soonest := longestPause
	for _, one := range q.waiting {
		if one.pace != nil && one.pace.until.After(now) {
			soonest = min(soonest, one.pace.until.Sub(now))
		} else if next == nil || q.rank(one) < q.rank(next) {
			next = one
		}
	}
	if next == nil {
		clock.AfterFunc(soonest, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.letIn()
		})
		return
	}
	q.inside = true
	q.waiting = slices.DeleteFunc(q.waiting, func(one *waiter) bool { return one == next })
	close(next.in)
}

// rank is lowest for who goes first.
func (q *queue) rank(one *waiter) (refused int) {
	if one.erases {
		return -1
	}
	for _, pid := range q.refused {
		if pid == one.by.PID {
			refused++
		}
	}
	return refused + one.by.Refused
}

// leave makes room for the next.
func (q *queue) leave(one *waiter, refused bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.inside = false
	switch {
	case one.pace == nil:
	case refused:
		one.pace.refused(clock.Now())
	default:
		*one.pace = pacing{}
	}
	if refused && !one.erases {
		q.refused = append(q.refused, one.by.PID)
		q.refused = q.refused[max(0, len(q.refused)-maxRefused):]
	}
	q.letIn()
}

// empty says that no store or erase is under way, or waits.
func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.inside && len(q.waiting) == 0
}

// warning is for status, "" where nothing is paced.
func (q *queue) warning() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stores.pause < longestPause || clock.Now().Sub(q.stores.until) > quietAfter {
		return ""
	}
	return "programs keep sending logins (store) that are refused, so only one is tried every 10 s" +
		"\nfind the program: the log names its process"
}
