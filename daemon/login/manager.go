// Package login decides what a login is and what is done about it; nobody else does.
//
// All that is known of it is one value, [State]. Files that change, answers of the issuer,
// timers and clients' wishes are [Event]s; what an event makes of the state, and what
// follows from it, is a pure function, which does no I/O and knows no clock. A [Manager]
// applies it, in one place. Requests load an immutable [Snapshot], and where that has what
// they ask for they wait for nobody.
//
// A refresh is one function, rotate, whose steps are those that the disk knows: take the
// lock, read the token file again, begin a journal entry, send, record the answer, compare
// the file with what was read, commit. A file that changed meanwhile wins: a deletion is a
// logout, other tokens are another login. Nobody's leaving stops a refresh, so it has no
// caller's context; what it does under the lock is bounded by tokenfile.HoldMax.
//
// No error, log line or event of the history shows a token. A [State] and an [Event] hold
// refresh tokens as they are: they are not for printing.
package login

import (
	"cmp"
	"context"
	"iter"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// Manager owns the login of one home: the token file, its refresh, and what is answered
// from it. Its methods may be called from any goroutine, Run once, and Close when all else
// has returned.
//
// The login itself is a State, and changes only in apply. Requests read a Snapshot of it.
// What takes time (the file, the issuer, the lock) is done outside, and comes back as an
// Event.
type Manager struct {
	cfg     Config
	log     *slog.Logger
	file    tokenfile.File
	issuer  *issuer.Provider
	history *events.History
	hook    *events.Hook
	desktop *events.Notifier // nil where it is told nothing
	ending  ending
	pause   *pause // R7's, between rotations
	asking  *pause // the same between questions for a team

	rotations chan string   // R1: the one that is to begin, for refreshAll
	actions   actionQueue   // what follows from the changes of state
	performed chan struct{} // closed when all of that has been done

	wake chan struct{} // has the schedule see what is due
	turn chan struct{} // F1's in-process mutex, before flock: who has what is in it may begin a transaction
	work task.Group    // what was begun, and actions that wait for their turn

	lookedAt atomic.Int64 // when a status has last had the files looked at, in ns since 1970

	queue   queue     // of clients' stores and erases
	freed   time.Time // turn guards these: when .portalock was last given back…
	freedBy holder    // …and what it had been held for

	key      *Answer // of the daemon's own environment, nil where there is none
	snapshot atomic.Pointer[Snapshot]

	mu       sync.Mutex // guards what follows; nothing is done under it that could take time
	state    State
	rotation *call // the one under way (R1)
	question *call // for the login's teams
	reading  *call // of the token file, for all requests that want one
}

// call is something that many wait for.
type call struct {
	done    chan struct{}
	tooLong <-chan struct{} // closed when requests wait no longer, nil where they wait to the end

	ctx    context.Context // a question's, which ends with it; nil for a rotation
	giveUp func()          // ends that
}

// newQuestion is for one that ends with ctx. It may take long (fal.Patience); no request
// waits for that.
func newQuestion(ctx context.Context) *call {
	ctx, end := context.WithCancel(ctx)
	soon, enough := clock.WithTimeout(ctx, httpx.SideTimeout)
	return &call{done: make(chan struct{}), tooLong: soon.Done(), ctx: ctx, giveUp: func() { enough(); end() }}
}

// apply changes the login by what has happened. Nothing else does, but for finish.
func (m *Manager) apply(e Event) State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return advance(m, e)
}

// finish applies what a call has brought and frees its place, both in one: whoever
// read it in between would take what is over for something that nobody has begun.
func finish(m *Manager, place **call, e Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := *place
	*place = nil
	advance(m, e)
	close(c.done)
	if c.giveUp != nil {
		c.giveUp()
	}
}

// advance is apply with the mutex held. What takes no time is done at once; the rest of
// what follows from a change is done soon, in the order of the changes (perform).
func advance(m *Manager, e Event) State {
	now := clock.Now()
	state, actions := next(m.state, e, now)
	moments := m.state.moments()
	if m.question != nil && (state.account() != m.state.account() || state.Team.Name != m.state.Team.Name && !m.state.Teams.Wanted) {
		m.question.giveUp() // its answer is for nobody any more
	}
	if state.Teams.Asking && m.question == nil { // askTeams is among the actions, and finishes it
		m.question = newQuestion(m.ending.side)
	}
	m.state = state
	publish(m)
	for _, a := range actions {
		switch a.(type) {
		case rotate:
			start(m, "")
		case resetPause:
			m.pause.reset()
		case resetAsking:
			m.asking.reset()
		default:
			m.actions.add(a)
		}
	}
	due := m.rotation == nil && !m.ending.over() && m.state.due(false, now)
	if due || m.state.moments() != moments {
		poke(m.wake) // the schedule waits for something else
	}
	return m.state
}

// start joins the rotation that is under way, or starts one (R1), unless the daemon is
// ending (S5): then it may return nil. forced names an access token that is to be replaced
// even if it is fresh. The mutex is held.
func start(m *Manager, forced string) *call {
	if m.rotation == nil && !m.ending.over() {
		m.rotation = &call{done: make(chan struct{})}
		publish(m)
		m.work.Add()
		m.rotations <- forced // which waits for nobody: there is one at a time
	}
	return m.rotation
}

// poke puts something into a channel that holds one thing, and waits for nobody.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// clientOf is the client that a login was made with (R13), of a refresh token whose access
// token one of known may have, or the login held. Where nobody can tell, it is the one that
// is configured.
func clientOf(m *Manager, p tokenfile.TokenPair, known ...tokenfile.TokenPair) string {
	s := &m.Snapshot().State
	for _, k := range append(known, s.Tokens.TokenPair) {
		if p.Access == "" && k.Refresh == p.Refresh {
			p = k
		}
	}
	return cmp.Or(s.Ledger.ClientOf(p), m.cfg.ClientID)
}

// Snapshot is the login as it is now.
func (m *Manager) Snapshot() *Snapshot { return m.snapshot.Load() }

// publish replaces the snapshot after a change. The mutex is held.
func publish(m *Manager) {
	s := &Snapshot{State: m.state, cfg: &m.cfg, key: m.key, refusal: m.state.refusal(), rotating: m.rotation != nil}
	var headers map[string]string
	headers, s.unresolved = m.state.attribution()
	token := m.state.token()
	old := m.snapshot.Load()
	now := clock.Now()
	expires := clock.WallTime(token.Expires, now)
	s.until = token.Expires.Add(-margin)
	switch {
	case token.Access == "" || s.unresolved != nil:
	case old != nil && old.answer != nil && string(old.answer.Secret) == token.Access && old.answer.Expires.Sub(expires).Abs() <= time.Second && maps.Equal(old.answer.Headers, headers):
		s.answer = old.answer // with its line
	default:
		s.answer = &Answer{Credential: bearer(token, headers, nil, now)}
	}
	if old != nil && old.answer == s.answer && old.State.Teams.same(s.State.Teams) && sameError(old.unresolved, s.unresolved) && sameError(old.refusal, s.refusal) && old.State.token().Expires.Equal(token.Expires) {
		s.changed = old.changed
		m.snapshot.Store(s)
		return
	}
	s.changed = make(chan struct{})
	m.snapshot.Store(s)
	if old != nil {
		close(old.changed)
	}
}

// Warn keeps what people should know but what stops nothing, once each.
func (m *Manager) Warn(text string) { m.apply(Warned{Text: text}) }

// Paced is a warning for the owner while clients' logins are refused again and again, else "".
func (m *Manager) Paced() string { return m.queue.warning() }

// Note writes something into the history that concerns the daemon.
func (m *Manager) Note(kind, cause string) { m.apply(Happened{kind, cause}) }

// WarnInstead is Warn for something that changes: the warning that begins with what is
// replaced, or, where why is "", taken back.
func (m *Manager) WarnInstead(what, why string) {
	if why != "" {
		why = what + why
	}
	m.apply(Warned{why, what})
}

// AtRest says whether all that is known of the login is on the disk, or can be asked for again, and
// nothing is under way or waited for: whoever starts now knows as much (S9).
func (m *Manager) AtRest() bool { return m.queue.empty() && m.Snapshot().atRest() }

// pause backs off with jitter to at most a minute (R7).
type pause struct {
	mu sync.Mutex
	b  *backoff.ExponentialBackOff
}

// jitter is how much of a pause is random, more or less.
const jitter = 0.25

func newPause() *pause {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = time.Second
	b.RandomizationFactor = 0        // next has its own
	b.MaxInterval = 48 * time.Second // and a quarter more by jitter: a minute
	return &pause{b: b}
}

func (p *pause) next() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(float64(p.b.NextBackOff()) * (1 - jitter + 2*jitter*task.Float64()))
}

func (p *pause) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.b.Reset()
}

// actionQueue holds actions in their order. Adding one waits for nobody, and is work that
// Close waits for.
type actionQueue struct {
	work    *task.Group
	mu      sync.Mutex
	waiting []Action
	ended   bool
	more    chan struct{} // holds one when there is something to take, or the end
}

func (q *actionQueue) add(a Action) {
	q.work.Add()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, a)
	poke(q.more)
}

// end has all stop once what was added before is taken.
func (q *actionQueue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	poke(q.more)
}

// all takes what is added, one after the other.
func (q *actionQueue) all() iter.Seq[Action] {
	return func(yield func(Action) bool) {
		for {
			task.Receive(q.more)
			q.mu.Lock()
			taken, ended := q.waiting, q.ended
			q.waiting = nil
			q.mu.Unlock()
			for _, a := range taken {
				if !yield(a) {
					return
				}
			}
			if ended {
				return
			}
		}
	}
}
