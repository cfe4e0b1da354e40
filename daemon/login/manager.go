// Package login decides what a login is and what is done about it; nobody else does.
//
// All that is known of it is one value, [State]. Files that change, answers of the issuer,
// timers and clients' wishes are [Event]s; what an event makes of the state, and what
// follows from it, is a pure function, which does no I/O and knows no clock. A [Manager]
// applies it, in one place, and readers load an immutable [Snapshot] and wait for nobody.
//
// A refresh is one function, rotate, whose steps are those that the disk knows: take the
// lock, read the token file again, begin a journal entry, send, record the answer, compare
// the file with what was read, commit. A file that changed meanwhile wins: a deletion is a
// logout, other tokens are another login. Nobody's leaving stops a refresh, so it has no
// caller's context; it is bounded by the hold of the lock, 17 s.
//
// All exported methods may be called from any goroutine. No error and no String shows a
// token.
package login

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/strict"
	"golang.org/x/sync/singleflight"
)

// Config is what a login needs to be told.
type Config struct {
	Home     string
	FalsHome bool // Home is ~/.fal, which is fal's: other issuers' logins are kept elsewhere
	Issuer   string
	ClientID string
	Audience string
	Scopes   string
	Servers  protocol.Servers
	Key      protocol.Key // served instead of the login to those who are not forced to that

	OnChange  string     // a command that is told of each change of state
	FalConfig fal.Config // names the team
	REST      string     // fal's REST host, which knows a team's id; "" resolves none

	// Transport carries every request to the issuer and the REST host; nil is the network.
	Transport http.RoundTripper
}

// Manager owns the login of one home: the token file, its refresh, and what is answered
// from it. All methods may be called from any goroutine.
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
	ending  ending
	pause   *pause // R7's, between rotations
	asking  *pause // the same between questions for a team

	wake  chan struct{}      // the schedule looks again
	turn  chan struct{}      // F1's in-process mutex: one transaction at a time, before flock. A channel, so that synctest's clock runs on
	guest chan struct{}      // the one store or erase that clients may have under way
	reads singleflight.Group // of the token file, for all requests that want one
	work  sync.WaitGroup     // what actions have begun

	key      *Answer // of the daemon's own environment, nil where there is none
	snapshot atomic.Pointer[Snapshot]

	mu       sync.Mutex // guards what follows; nobody does anything but memory under it
	state    State
	rotation *call // the one under way (R1)
	question *call // for the team's id
}

// call is something that many wait for.
type call struct{ done chan struct{} }

// Open takes the login of a home over, which must be there. It looks at nothing but the
// home until Run, or a request. ctx ends when the daemon is asked to end.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Manager, error) {
	if err := protocol.KnownUser(); err != nil {
		return nil, err
	}
	ledger, err := journal.Load(cfg.Home)
	if err != nil {
		return nil, err
	}
	lost := ledger.Issuer == ""
	if ledger, err = ledger.SettleIssuer(cfg.Issuer, issuer.FalIssuer, cfg.FalsHome); err != nil {
		return nil, err
	}
	m := &Manager{
		cfg:    cfg,
		log:    log,
		issuer: issuer.New(cfg.Issuer, cfg.ClientID, cfg.Transport),
		ending: endingWith(ctx),
		pause:  newPause(),
		asking: newPause(),
		wake:   make(chan struct{}, 1),
		turn:   make(chan struct{}, 1),
		guest:  make(chan struct{}, 1),
	}
	m.file = tokenfile.In(cfg.Home, m.Warn)
	m.state.Ledger = ledger
	if lost {
		m.state.ledgerRev++
	}
	// Until the fal config says otherwise: it may be half written just now.
	m.state.Team.Name = ledger.Team.Name
	if cfg.Key.Secret != "" {
		m.key = &Answer{Credential: protocol.Credential{Username: "Key", Secret: cfg.Key.Secret}}
	}
	m.publish()
	m.history = events.OpenHistory(cfg.Home, log)
	m.hook = events.OpenHook(cfg.OnChange, cfg.Home, log)
	if problems, err := strict.Examine(cfg.Home); err == nil {
		for _, p := range problems {
			m.Warn(p.Text + "\n" + p.Mend)
		}
	}
	return m, nil
}

// Close waits for what is under way and ends what is behind the login. Nothing may be
// asked of it afterwards.
func (m *Manager) Close() {
	m.work.Wait()
	m.hook.Close(m.ending.last)
	m.history.Close()
}

// apply changes the login by what has happened. Nothing else does, but for finish.
func (m *Manager) apply(e Event) State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return advance(m, e)
}

// finish applies what a call has brought and gives its place free, both in one: whoever
// looked in between would take what is over for something that nobody has begun.
func finish(m *Manager, place **call, e Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	done := (*place).done
	*place = nil
	advance(m, e)
	close(done)
}

// advance is apply with the mutex held.
func advance(m *Manager, e Event) State {
	state, actions := next(m.state, e, clock.Now())
	if state.moments() != m.state.moments() || state.Tokens.Refresh != m.state.Tokens.Refresh {
		actions = append(actions, wake{}) // the schedule waits for something else
	}
	m.state = state
	m.publish()
	for _, a := range actions {
		a.perform(m)
	}
	return m.state
}

// Warn keeps what people should know but what stops nothing, once each.
func (m *Manager) Warn(text string) { m.apply(Warned{Text: text}) }

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

// pause backs off with jitter to at most a minute (R7).
type pause struct {
	mu sync.Mutex
	b  *backoff.ExponentialBackOff
}

func newPause() *pause {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = time.Second
	b.RandomizationFactor = 0.25
	b.MaxInterval = 48 * time.Second // and a quarter more by jitter: a minute
	return &pause{b: b}
}

func (p *pause) next() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.NextBackOff()
}

func (p *pause) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.b.Reset()
}
