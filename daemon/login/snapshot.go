package login

import (
	"sync/atomic"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

// Answer is the credential that requests are given. Its ServerURL is empty: that is each
// request's own. The credential is never changed, and any goroutine may use it.
type Answer struct {
	protocol.Credential
	prepared atomic.Pointer[prepared]
}

// prepared is an answer's line for one server.
type prepared struct {
	server string
	line   []byte
}

// String keeps the token out of anything that prints it by accident.
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
	rotating   bool            // a rotation is under way
	changed    chan struct{}   // closed when clients get something else
}

// Changed is closed when clients may get another answer than this snapshot's.
func (s *Snapshot) Changed() <-chan struct{} { return s.changed }

func sameError(a, b *protocol.Error) bool { return a == b || a != nil && b != nil && *a == *b }

// Ready is what a get of a served host is given, where it need not wait: nearly always.
func (s *Snapshot) Ready(q protocol.Query, now time.Time) *Answer {
	if s.key != nil && !q.ForceUser {
		return s.key
	}
	answer, _ := s.answerTo(q, now)
	switch {
	case answer == nil:
		return nil
	case clock.WallTime(s.State.Served.Expires, now).Sub(answer.Expires).Abs() > time.Second:
		return nil // the wall clock was set since, and the answer says when by it
	case q.Rejected == "" && q.MinValid == 0 && clock.Remaining(s.until, now) > 0:
		return answer
	case s.State.satisfies(q, now):
		return answer
	}
	return nil
}

// answerTo is the served token as a request wants it attributed, however long it lasts, or why it
// cannot be attributed so. Both are nil where there is no token.
func (s *Snapshot) answerTo(q protocol.Query, now time.Time) (*Answer, *protocol.Error) {
	if q.Team == nil {
		return s.answer, s.unresolved
	}
	token := s.State.token()
	if token.Access == "" {
		return nil, nil
	}
	headers, unresolved := s.State.attributionTo(*q.Team, now)
	if unresolved != nil {
		return nil, unresolved
	}
	return &Answer{Credential: bearer(token, headers, q.Team, now)}, nil
}

func bearer(t tokenfile.Token, headers map[string]string, team *string, now time.Time) protocol.Credential {
	return protocol.Credential{Username: "Bearer", Secret: protocol.Secret(t.Access), Expires: clock.WallTime(t.Expires, now), Headers: headers, Team: team}
}

// final is what a snapshot has for a request that has waited.
func (s *Snapshot) final(q protocol.Query, now time.Time) (*Answer, error) {
	if s.State.token().Valid(now) { // R9: also in an outage
		answer, unresolved := s.answerTo(q, now)
		if unresolved != nil {
			return nil, unresolved
		}
		return answer, nil
	}
	if s.refusal != nil {
		return nil, s.refusal
	}
	return nil, protocol.Errorf(protocol.CodeUnavailable, "the access token has expired, and there is no new one yet")
}

// atRest leaves out what a restart may forget: pauses, a doubt (R10), why something failed, and what
// is written down with the next rotation.
func (s *Snapshot) atRest() bool {
	l := &s.State
	switch {
	case l.unwritten(), l.Competing != "": // F5: the next one would not know
		return false
	case s.rotating, l.Committing, l.Pinging, l.Leaving, l.Teams.Asking:
		return false
	case l.Phase == Missing, l.Replaces != "", l.Owed != "", l.Trying != "", !l.EmptySince.IsZero():
		return false // F7, F5, F3: the file has not what we have
	}
	return l.Fallback.Refresh == "" || l.Fallback.Refresh == l.Tokens.Refresh
}

// Servers is the answer to list: the servers that there is a credential for, and its kind.
// forced leaves out a key of the daemon's environment.
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

// Status describes the login for people and scripts; it holds no secret. What concerns the
// daemon the server adds.
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

		LoginSince: state.Ledger.Course.SinceOf(state.Tokens.Refresh),
		LastEnd:    state.Ledger.Course.Ended, LastEndCause: state.Ledger.Course.Cause, LastEndAge: int(state.Ledger.Course.Age),
	}
	status.LoginEnded = status.State == protocol.StateLoginRequired
	if s.key != nil {
		status.State, status.Source = protocol.StateKey, s.cfg.Key.Source
		if doubt := s.cfg.Key.Doubt(); doubt != "" {
			status.Warnings = append(status.Warnings, "the daemon was given a key: "+doubt)
		}
		if state.held() {
			status.Shadows = []string{"login"}
		}
	}
	who := state.Ledger.Who(status.Subject)
	status.Name, status.Email, status.Unverified = who.Name, who.Email, state.inDoubt()
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
			status.LastError, status.Hint = p.Text, p.Hint
		}
	}
	return status
}

// SharedStatus is Status for other users. It leaves out what is the owner's business: paths,
// accounts, keys, and texts that may name them.
func (s *Snapshot) SharedStatus() protocol.Status {
	own := s.Status()
	return protocol.Status{
		State: s.State.Login(clock.Now()), Source: "login", Expires: own.Expires, Refreshed: own.Refreshed,
		NextRefresh: own.NextRefresh, Refreshes: own.Refreshes, Unresolved: own.Unresolved,
	}
}
