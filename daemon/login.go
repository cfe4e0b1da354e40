package daemon

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/falcred/falcred/daemon/alarm"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/peer"
	"github.com/falcred/falcred/protocol/strict"
)

// Login owns the login of one home: the token file, its refresh, and what is
// answered from it. All methods may be called from any goroutine.
//
// Two paths lead through it. A request reads the published view
// (credential.go) and, only where that does not do, joins a refresh. A refresh
// (refresh.go) is started by whoever notices that it is due, runs once for all
// of them under the lock, brings its result to the disk and publishes it.
type Login struct {
	cfg    Config
	log    *slog.Logger
	file   tokenFile
	issuer *issuer
	alarm  *alarm.Alarm  // the schedule's; Go's own until Run gives it a better one
	wake   chan struct{} // the schedule looks again
	work   sync.WaitGroup
	ending ending // of the daemon; never, for a command

	history  *history
	onChange *onChange

	// act is F1's in-process mutex: one errand at a time, before flock. It is
	// a channel, so that synctest's clock runs on while somebody waits for it.
	act    chan struct{}
	guests chan struct{} // the one store or erase that clients may have under way
	looks  chan struct{} // the one look at the file that requests have under way

	key  *credential // of the daemon's own environment, nil where there is none
	view atomic.Pointer[view]

	mu sync.Mutex // guards what follows
	state
}

// state is what the daemon knows. login is what it holds, shown is what it
// serves: they differ while a new token is being verified (R10).
type state struct {
	memory    memory
	unwritten bool // memory holds what falcred.json does not
	login     token
	shown     token
	unsaved   string    // R5: the refresh token in the file that login must replace
	owed      string    // R4: one whose successor is in memory only. It is not written down as consumed: the next start has to replay it
	fallback  fallback  // F5: received, not yet consumed; kept until an adopted one is proved
	sibling   string    // F5: an adopted refresh token that may not wait: see siblingWindow
	limbo     bool      // F7: the file vanished, and the issuer has not been heard since
	probing   bool      // F7: whether it can be heard is being asked
	empty     time.Time // F3: since when the file has been empty
	dead      string    // R8: the refresh token that the issuer has rejected
	stuck     bool      // login's refresh token is not to be sent again (R8, R10)
	doubt     *doubt    // R10: nil where no ID token is in doubt

	trouble     *trouble
	fileTrouble *trouble // what is wrong with the token file itself
	retryAt     time.Time
	soft        bool // retryAt is only until the file changes
	pause       *backoff.ExponentialBackOff
	flight      *flight
	look        *flight // at the file, for all requests that came before it begins
	team        team
	leaving     bool   // we are deleting the file ourselves
	forced      string // fingerprint of the last access token that a client has had replaced

	told   string    // the state that was told last
	looked time.Time // when the schedule looked last, by the monotonic clock…

	lookedWall time.Time // …and by the wall's
	refreshed  time.Time
	refreshes  int
	minute     time.Time // since when inMinute counts refreshes
	inMinute   int
	warnings   []string
}

// fallback is a refresh token that is tried once if that of the login held is dead.
type fallback struct {
	refresh string
	subject string // whose it is, where falcred.json does not say
}

// trouble is what keeps the daemon from a fresh token.
type trouble struct {
	code protocol.Code
	text string
	mend string
}

// asError puts the mend on the second line, where the helper finds it.
func (t *trouble) asError() *protocol.Error {
	if t.mend == "" {
		return protocol.Errorf(t.code, "%s", t.text)
	}
	return protocol.Errorf(t.code, "%s\n%s", t.text, t.mend)
}

// view is what requests are answered from. It is never changed, but for poked,
// only replaced.
type view struct {
	token      token
	headers    map[string]string // what goes with the token: a team's
	unresolved *protocol.Error   // why it cannot be said what goes with it
	problem    *protocol.Error   // why there is no token, or will be none
	changed    chan struct{}     // closed when another view takes its place

	// From since on, for the time of quiet, the answer is ready.
	ready     *credential
	since     time.Time
	sinceWall int64 // ns since 1970
	quiet     time.Duration
	poked     atomic.Bool // the schedule was told that quiet is over: it goes on by itself
}

// flight is something that many wait for: the one refresh that is under way (R1).
type flight struct{ done chan struct{} }

const loginHint = "log in: falcred login, or fal auth login"

// slowCheck is F3's and R2's: a lost file event or timer costs at most this.
const slowCheck = time.Minute

// untilLook is the time until the next whole minute: all who look so slowly do it
// at one moment, which wakes a machine at rest once.
func untilLook(now time.Time) time.Duration {
	return slowCheck - time.Duration(now.UnixNano())%slowCheck
}

// nextLook waits for that minute. It is false once ctx has ended.
func nextLook(ctx context.Context, look *alarm.Alarm) bool {
	look.Set(untilLook(time.Now()))
	select {
	case <-ctx.Done():
		return false
	case <-look.C:
		return true
	}
}

// siblingWindow: a neighbour's token that turns up so soon after our own
// refresh probably came of the same token as ours. An issuer's overlap forgives
// that, and that the older of the two is used next, but only for a short time:
// it is used at once, and not after half of its life (F5).
const siblingWindow = time.Minute

// writerDied is how long an empty token file is left to its writer (F3).
const writerDied = 5 * time.Second

func newLogin(cfg Config, log *slog.Logger) (*Login, error) {
	if err := peer.KnownUser(); err != nil {
		return nil, err
	}
	l := &Login{
		cfg:    cfg,
		log:    log,
		issuer: newIssuer(cfg.Issuer, cfg.ClientID),
		act:    make(chan struct{}, 1),
		guests: make(chan struct{}, 1),
		looks:  make(chan struct{}, 1),
		alarm:  alarm.Plain(),
		wake:   make(chan struct{}, 1),
		ending: endingWith(context.Background()),
	}
	l.file = tokenFile{path: filepath.Join(cfg.Home, env.TokenFile), warn: l.warn}
	l.pause = newPause()
	l.view.Store(&view{problem: protocol.ErrNotFound, changed: make(chan struct{})})
	if cfg.Key.Secret != "" {
		l.key = &credential{Credential: protocol.Credential{Username: "Key", Secret: cfg.Key.Secret}}
	}
	m, err := loadMemory(cfg.Home)
	if err != nil {
		return nil, err
	}
	l.unwritten = m.Issuer == ""
	if err := m.settleIssuer(cfg.Issuer, cfg.FalsHome); err != nil {
		return nil, err
	}
	l.memory = m
	if troubles, err := strict.Examine(cfg.Home); err == nil {
		for _, t := range troubles {
			l.warn(t.Text + "\n" + t.Hint)
		}
	}
	// Until the fal config says otherwise: it may be half written just now.
	l.team = team{name: m.Team.Name, pause: newPause()}
	l.history = openHistory(cfg.Home, log)
	l.onChange = newOnChange(cfg, log)
	return l, nil
}

// close ends what is behind the login. All other work has ended.
func (l *Login) close() {
	l.onChange.close(l.ending.last)
	l.history.close()
}

// newPause backs off with jitter to at most a minute (R7).
func newPause() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = time.Second
	b.RandomizationFactor = 0.25
	b.MaxInterval = 48 * time.Second // and a quarter more by jitter: a minute
	return b
}

// warn keeps what people should know but what stops nothing, once each.
func (l *Login) warn(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.warnLocked(text)
}

func (l *Login) warnLocked(text string) {
	const most = 8
	for _, known := range l.warnings {
		if known == text {
			return
		}
	}
	l.log.Warn(text)
	l.warnings = append(l.warnings, text)
	if len(l.warnings) > most {
		l.warnings = l.warnings[1:]
	}
}

// publishLocked replaces the view after a change of state.
func (l *Login) publishLocked() {
	next := &view{changed: make(chan struct{})}
	switch {
	case l.limbo:
		next.problem = protocol.Errorf(protocol.CodeUnavailable,
			"the token file vanished while the issuer could not be reached; the next answer of the issuer decides whether that was a logout")
	case l.login.refresh == "":
		next.problem = protocol.ErrNotFound
		if t := l.troubleLocked(); t != nil {
			next.problem = t.asError()
		}
	default:
		next.token = l.shown
		if t := l.troubleLocked(); t != nil {
			next.problem = t.asError()
		}
	}
	next.headers, next.unresolved = l.attributionLocked()
	next.makeReady(time.Now())
	old := l.view.Swap(next)
	close(old.changed)
	l.changedLocked()
	l.askTeamLocked(time.Now())
	l.poke()
}

func (l *Login) troubleLocked() *trouble {
	if l.trouble != nil {
		return l.trouble
	}
	return l.fileTrouble
}

// subjectLocked is the account of the login held.
func (l *Login) subjectLocked() string {
	return firstOf(l.memory.subjectOf(l.login.refresh), l.login.subject)
}

// siblingLocked says whether the login held may not wait for its time.
// What falcred itself was given, this daemon or another, is no sibling.
func (l *Login) siblingLocked() bool {
	return l.sibling != "" && l.sibling == l.login.refresh && !l.memory.issued(l.sibling)
}

// poke makes the schedule look again.
func (l *Login) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// forgetLocked is a logout.
func (l *Login) forgetLocked(why string) {
	l.happenedLocked(EventLoggedOut, why)
	l.team.id = ""
	l.login, l.shown = token{}, token{}
	l.unsaved, l.owed, l.fallback, l.stuck, l.doubt = "", "", fallback{}, false, nil
	l.limbo, l.trouble, l.retryAt = false, nil, time.Time{}
	l.pause.Reset()
	l.log.Info("logged out", "cause", why)
	l.publishLocked()
}

// adoptLocked takes over what somebody else wrote into the file (F3). It returns
// what that is to the history.
func (l *Login) adoptLocked(p pair, now time.Time) (event string) {
	before, other, unsaved := l.login, p.refresh != l.login.refresh, l.unsaved != ""
	l.login = fromFile(p, now)
	l.shown = l.login
	l.unsaved, l.owed, l.limbo = "", "", false // the file holds something else than was sent
	if other || !l.stuck {
		l.trouble = nil
	}
	if other && l.subjectLocked() == "" {
		l.team.id = "" // whose it was is not known to be the same
	}
	if l.soft {
		l.retryAt = time.Time{}
	}
	if other {
		l.stuck, l.retryAt, l.doubt = false, time.Time{}, nil
		l.pause.Reset()
		if l.fallback.refresh != "" && l.login.subject == before.subject && now.Sub(l.refreshed) < siblingWindow {
			l.sibling = p.refresh
		}
		l.replacedLocked(before, unsaved, now)
	}
	switch {
	case l.memory.distrusts(p.refresh):
		l.distrustLocked()
	case l.memory.unjudged(p): // R10: the next ID token says, and that is asked for at once
		l.login.expires, l.login.renew = time.Time{}, time.Time{}
		l.shown = l.login
	}
	l.log.Info("adopted the login in the token file", "expires", l.login.expires)
	l.publishLocked()
	if before.refresh == "" {
		return EventLoggedIn
	}
	return EventAdopted
}

// distrustLocked: a token that failed verification is neither served nor
// refreshed, and stays on disk (R10).
func (l *Login) distrustLocked() {
	l.shown = token{}
	l.stuck, l.doubt = true, nil
	l.trouble = &trouble{
		code: protocol.CodeLoginRequired,
		text: "the issuer's last answer failed verification, so its token is not served",
		mend: "log in again; if it repeats, somebody stands between this machine and the issuer",
	}
	l.happenedLocked(EventLoginRequired, l.trouble.text)
}
