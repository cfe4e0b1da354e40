package login

import (
	"context"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

const (
	// forcedPause limits the rotations that clients ask for.
	forcedPause = 5 * time.Minute
	// maxJoins bounds how often a request waits for a rotation: the one under way, and
	// one of its own.
	maxJoins = 2
)

// Get is what a request for a served host is given: by the daemon's own key, unless the
// request is forced to the login, else the login's. It waits for a rotation where one can
// help. Leaving by ctx does not stop that.
func (m *Manager) Get(ctx context.Context, q protocol.Query) (*Answer, error) {
	s := m.Snapshot()
	if ready := s.Ready(q, clock.Now()); ready != nil {
		if now := clock.Now(); ready != s.key && clock.Remaining(s.State.Tokens.RefreshAt, now) <= 0 && s.State.due(false, now) && !s.rotating {
			poke(m.wake) // R2: half of its life is over, and the schedule has not come to it yet
		}
		return ready, nil
	}
	if q.Team != nil && *q.Team != "" && m.cfg.REST == "" {
		return nil, protocol.Errorf(protocol.CodeTeamUnresolved, "teams are a feature of fal's, and this login is from %s\nif that issuer has teams, set FAL_REST_HOST in this home's falcred.env", m.cfg.Issuer)
	}
	if !s.State.satisfies(q, clock.Now()) { // else what is missing is the team, or the wall clock was set
		// A lost file event must not cost a request. Ten thousand want to know the same: they
		// share two readings, since the first can have begun before a request came, and the
		// second cannot.
		for range 2 {
			readTogether(m)
		}
	}
	for range maxJoins {
		c := m.join(q)
		if c == nil {
			break
		}
		if err := c.wait(ctx); err != nil {
			return nil, err
		}
		if ready := m.Snapshot().Ready(q, clock.Now()); ready != nil {
			return ready, nil
		}
	}
	if err := awaitTeam(ctx, m, q); err != nil {
		return nil, err
	}
	return m.Snapshot().final(q, clock.Now())
}

// awaitTeam waits for the question whose answer says whom a request is attributed to, if it is not known.
func awaitTeam(ctx context.Context, m *Manager, q protocol.Query) error {
	s := m.Snapshot()
	if !s.State.token().Valid(clock.Now()) {
		return nil
	}
	if _, unresolved := s.answerTo(q, clock.Now()); unresolved != nil && q.Team != nil {
		m.apply(TeamWanted{})
	} else {
		m.apply(Tick{}) // the clock alone may have made a question due, or another answer of this one
	}
	m.mu.Lock()
	c := m.question
	m.mu.Unlock()
	if _, unresolved := m.Snapshot().answerTo(q, clock.Now()); c == nil || unresolved == nil {
		return nil
	}
	return c.wait(ctx)
}

func (c *call) wait(ctx context.Context) error {
	if task.Wait(task.Forever, c.done, c.tooLong, ctx.Done()) == 2 {
		return ctx.Err()
	}
	return nil
}

// readTogether is reconcile for requests, which share the one that is under way.
func readTogether(m *Manager) {
	m.mu.Lock()
	if c := m.reading; c != nil {
		m.mu.Unlock()
		task.Wait(task.Forever, c.done)
		return
	}
	c := &call{done: make(chan struct{})}
	m.reading = c
	m.mu.Unlock()
	defer func() { // after a panic too, which ends one connection only: the others must not wait for ever
		m.mu.Lock()
		m.reading = nil
		m.mu.Unlock()
		close(c.done)
	}()
	m.reconcile()
}

// join finds the rotation that can help a request, or nil where none can: then the answer
// is given at once, as in a back-off (R7).
func (m *Manager) join(q protocol.Query) *call {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, now := m.state, clock.Now()
	switch {
	case s.satisfies(q, now):
		return nil // it has come since the request was read
	case m.rotation != nil:
		return m.rotation
	case !s.held() || s.Phase == Missing || s.over() || !s.mayTry(now):
		return nil
	case !s.Tokens.Fresh(now):
		return start(m, "")
	case s.Forced == tokenfile.Fingerprint(s.Tokens.Access) || s.refreshedWithin(forcedPause, now):
		return nil // clients can force one rotation for each access token, and none within 5 min of the last
	}
	return start(m, s.Tokens.Access)
}

// Look has the files looked at again soon: somebody asks for the state, and what is not
// watched may have changed (F3). Nobody is waited for, and more than once a second does nothing.
func (m *Manager) Look() {
	now, last := clock.Now().UnixNano(), m.lookedAt.Load()
	if now-last >= int64(time.Second) || now < last {
		m.lookedAt.Store(now)
		poke(m.wake)
	}
}
