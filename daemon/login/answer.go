package login

import (
	"context"
	"maps"
	"os"
	"sync/atomic"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

const (
	// margin is how long a served token should still live: time to use it. Below it, a
	// request waits for a rotation that can be had.
	margin = 30 * time.Second
	// forcedPause limits the rotations that clients ask for.
	forcedPause = 5 * time.Minute
	// maxJoins bounds how often a request waits for a rotation: the one under way, and
	// one of its own.
	maxJoins = 2
)

// Answer is the credential that requests are given. Its ServerURL is empty: that is each
// request's own. It is never changed, and may be used by any goroutine.
type Answer struct {
	protocol.Credential
	prepared atomic.Pointer[prepared]
}

// prepared is an answer's line for one server.
type prepared struct {
	server string
	line   []byte
}

// String keeps the token out of anything that prints it by accident (R12).
func (p prepared) String() string { return "answer(***)" }

// GoString does the same for %#v.
func (p prepared) GoString() string { return p.String() }

// Line is the answer as it is sent for a server. It is made when another server is asked
// for than the last time: nearly all ask for one.
func (a *Answer) Line(server string) ([]byte, error) {
	if p := a.prepared.Load(); p != nil && p.server == server {
		return p.line, nil
	}
	credential := a.Credential
	credential.ServerURL = server
	line, err := protocol.AppendAnswer(nil, credential)
	if err != nil {
		return nil, err
	}
	a.prepared.Store(&prepared{server, line})
	return line, nil
}

// Snapshot is the login at one moment, for readers. It is never changed.
type Snapshot struct {
	State      State
	cfg        *Config
	key        *Answer
	answer     *Answer         // of the served token, nil where there is none or its attribution is not known
	unresolved *protocol.Error // why that is not known
	refusal    *protocol.Error // why there is no token, or will be none
	until      time.Time       // answer satisfies whoever asks for nothing special
	changed    chan struct{}   // closed when clients get something else
}

// Changed is closed when clients may get another answer than this snapshot's.
func (s *Snapshot) Changed() <-chan struct{} { return s.changed }

// Snapshot is the login as it is now.
func (m *Manager) Snapshot() *Snapshot { return m.snapshot.Load() }

// publish replaces the snapshot after a change. The mutex is held.
func (m *Manager) publish() {
	s := &Snapshot{State: m.state, cfg: &m.cfg, key: m.key, refusal: m.state.refusal()}
	var headers map[string]string
	headers, s.unresolved = m.state.attribution()
	token := m.state.token()
	old := m.snapshot.Load()
	now := clock.Now()
	expires := clock.WallTime(token.Expires, now)
	s.until = token.Expires.Add(-margin)
	switch {
	case token.Access == "" || s.unresolved != nil:
	case old != nil && old.answer != nil && old.answer.Secret == token.Access && old.answer.Expires.Sub(expires).Abs() <= time.Second && maps.Equal(old.answer.Headers, headers):
		s.answer = old.answer // with its line
	default:
		s.answer = &Answer{Credential: protocol.Credential{Username: "Bearer", Secret: token.Access, Expires: expires, Headers: headers}}
	}
	if old != nil && old.answer == s.answer && sameError(old.unresolved, s.unresolved) && sameError(old.refusal, s.refusal) && old.State.token().Expires.Equal(token.Expires) {
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

func sameError(a, b *protocol.Error) bool { return a == b || a != nil && b != nil && *a == *b }

// Ready is what a get of a served host is given, where it need not wait: nearly always.
func (s *Snapshot) Ready(q protocol.Query, now time.Time) *Answer {
	switch {
	case s.key != nil && !q.ForceUser:
		return s.key
	case s.answer == nil:
		return nil
	case clock.WallTime(s.State.Served.Expires, now).Sub(s.answer.Expires).Abs() > time.Second:
		return nil // the wall clock was set since, and the answer says when by it
	case q.Rejected == "" && q.MinValid == 0 && clock.Remaining(s.until, now) > 0:
		return s.answer
	case s.State.satisfies(q, now):
		return s.answer
	}
	return nil
}

// final is what a snapshot has for a request that has waited.
func (s *Snapshot) final(now time.Time) (*Answer, error) {
	switch valid := s.State.token().Valid(now); {
	case valid && s.unresolved != nil:
		return nil, s.unresolved
	case valid: // R9: also in an outage
		return s.answer, nil
	case s.refusal != nil:
		return nil, s.refusal
	}
	return nil, protocol.Errorf(protocol.CodeUnavailable, "the access token has run out, and no new one has come yet")
}

// Get is what a request for a served host is given: by the daemon's own key, unless the
// request is forced to the login, else the login's. It waits for a rotation where one can
// help. Leaving by ctx does not stop that.
func (m *Manager) Get(ctx context.Context, q protocol.Query) (*Answer, error) {
	s := m.Snapshot()
	if ready := s.Ready(q, clock.Now()); ready != nil {
		if now := clock.Now(); ready != s.key && clock.Remaining(s.State.Tokens.RefreshAt, now) <= 0 && s.State.due(false, now) {
			wake{}.perform(m) // R2: half of its life is over, and the schedule has not come to it yet
		}
		return ready, nil
	}
	if !s.State.satisfies(q, clock.Now()) {
		// A lost file event must not cost a request. Ten thousand want to know the same: they
		// share two readings, since the first can have begun before a request came, and the
		// second cannot.
		for range 2 {
			m.reads.Do("", func() (any, error) { return m.reconcile(), nil })
		}
	} else {
		m.apply(Tick{}) // the team, or the wall clock
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
	if s := m.Snapshot(); s.unresolved != nil && s.State.token().Valid(clock.Now()) {
		m.apply(Tick{}) // the clock alone may have made a question due
		m.mu.Lock()
		c := m.question
		m.mu.Unlock()
		if c != nil {
			if err := c.wait(ctx); err != nil {
				return nil, err
			}
		}
	}
	return m.Snapshot().final(clock.Now())
}

func (c *call) wait(ctx context.Context) error {
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join finds the rotation that can help a request, or nil where none can: then the answer
// is given at once, as in a back-off (R7).
func (m *Manager) join(q protocol.Query) *call {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, now := m.state, clock.Now()
	switch {
	case s.satisfies(q, now):
		return nil // it has landed since the request looked
	case m.rotation != nil:
		return m.rotation
	case !s.held() || s.Phase == Missing || s.over() || !s.mayTry(now):
		return nil
	case !s.Tokens.Fresh(now):
		return m.start("")
	case s.Forced == tokenfile.Fingerprint(s.Tokens.Access) || now.Sub(s.Refreshed) < forcedPause:
		return nil // clients can force one rotation for each access token, and none within 5 min of the last
	}
	return m.start(s.Tokens.Access)
}

// Servers answers list, for a request that is forced to the login or not.
func (s *Snapshot) Servers(forced bool) map[string]string {
	kind := "Bearer"
	switch {
	case s.key != nil && !forced:
		kind = "Key"
	case !s.State.token().Valid(clock.Now()) && s.refusal != nil:
		return map[string]string{}
	}
	list := map[string]string{}
	for _, server := range s.cfg.Servers.List() {
		list[server] = kind
	}
	return list
}

// Status describes the login for people and scripts; it holds no secret.
func (s *Snapshot) Status() protocol.Status {
	state, now := s.State, clock.Now()
	status := protocol.Status{
		Home:      s.cfg.Home,
		Issuer:    s.cfg.Issuer,
		State:     state.Login(now),
		Source:    "login",
		Subject:   state.Subject(),
		Expires:   clock.WallTime(state.Served.Expires, now),
		Refreshed: state.Refreshed,
		Refreshes: state.Refreshes,
		Warnings:  append([]string(nil), state.Warnings...),
		PID:       os.Getpid(),
	}
	if s.key != nil {
		status.State, status.Source = protocol.StateKey, s.cfg.Key.Source
		if state.held() {
			status.Shadows = []string{"login"}
		}
	}
	if state.inDoubt() {
		status.Warnings = append(status.Warnings, state.Ledger.Doubt.Warning())
	}
	if state.held() && !state.over() {
		status.NextRefresh = clock.WallTime(state.nextRefresh(now), now)
	}
	t := state.Team
	status.Team, status.TeamID = t.Name, t.ID
	status.Unresolved = t.Problem != nil || t.Name != "" && t.ID == ""
	for _, p := range []*Problem{state.problem(), t.Problem} {
		if p != nil && status.LastError == "" {
			status.LastError, status.Mend = p.Text, p.Hint
		}
	}
	return status
}

// SharedStatus leaves out what is the owner's business: paths, accounts, keys, and texts
// that may name them (S7).
func (s *Snapshot) SharedStatus() protocol.Status {
	own := s.Status()
	return protocol.Status{
		State: s.State.Login(clock.Now()), Source: "login", Expires: own.Expires, Refreshed: own.Refreshed,
		NextRefresh: own.NextRefresh, Refreshes: own.Refreshes, Unresolved: own.Unresolved, PID: own.PID,
	}
}
