package daemon

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/falcred/falcred/protocol"
)

const (
	// margin is how long a served token should still live: time to use it.
	// Below it, a request waits for a refresh that can be had.
	margin = 30 * time.Second
	// forcedPause is §4's limit on refreshes that clients ask for.
	forcedPause = 5 * time.Minute
	// maxJoins bounds how often a request waits for a refresh: the one under
	// way, and one of its own.
	maxJoins = 2
)

// credential is what requests are given. Its ServerURL is empty: that is each
// request's own.
type credential struct {
	protocol.Credential
	last atomic.Pointer[prepared]
}

// prepared is a credential's answer for one server. It is never changed.
type prepared struct {
	server string
	line   []byte
}

// String keeps the token out of anything that prints it by accident (R12).
func (p prepared) String() string { return "answer(***)" }

// GoString does the same for %#v.
func (p prepared) GoString() string { return p.String() }

// line is made when the credential has changed, or when another server is asked for
// than the last time. It may be called from any goroutine.
func (c *credential) line(server string) []byte {
	if last := c.last.Load(); last != nil && last.server == server {
		return last.line
	}
	answer := c.Credential
	answer.ServerURL = server
	made := &prepared{server, appendAnswer(nil, answer)}
	c.last.Store(made)
	return made.line
}

// ready is what a get of a served host (§4) is given by the rule of §5, where that
// takes no lock and nothing has to be made. Nearly always it is so.
func (l *Login) ready(q protocol.Query, now time.Time) *credential {
	if l.key != nil && !q.ForceUser {
		return l.key
	}
	if v := l.view.Load(); v.calm(now) && q.Rejected == "" && q.MinValid == 0 {
		return v.ready
	}
	return nil
}

// credential is what a get is given in every case. As with ready, the caller has
// checked the server (conn.parse).
func (l *Login) credential(ctx context.Context, q protocol.Query) (*credential, error) {
	if ready := l.ready(q, time.Now()); ready != nil {
		return ready, nil
	}
	return l.await(ctx, q)
}

// await joins a refresh where that can help the request. Leaving it by ctx does
// not stop the refresh (R1).
func (l *Login) await(ctx context.Context, q protocol.Query) (*credential, error) {
	v := l.view.Load()
	if !v.satisfies(q, time.Now()) {
		l.checkTogether() // a lost file event must not cost a request
		v = l.view.Load()
	}
	for range maxJoins {
		if v.satisfies(q, time.Now()) {
			break
		}
		f := l.join(q)
		if f == nil {
			v = l.view.Load() // a refresh may have landed between the look and the join
			break
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if ready := l.ready(q, time.Now()); ready != nil {
			return ready, nil
		}
		v = l.view.Load()
	}
	now := time.Now()
	if v.token.valid(now) && !v.token.fresh(now) && !v.poked.Swap(true) {
		l.poke() // R2: half of its life is over
	}
	if v.token.valid(now) && v.unresolved != nil {
		l.mu.Lock()
		f := l.askTeamLocked(now)
		l.mu.Unlock()
		if f != nil {
			select {
			case <-f.done:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		v = l.view.Load()
	}
	return v.credential(time.Now())
}

// makeReady makes the credential that nearly every request is given.
func (v *view) makeReady(now time.Time) {
	if !v.token.valid(now) || v.unresolved != nil {
		return
	}
	v.ready = v.bearer(now)
	v.since, v.sinceWall = now, now.UnixNano()
	v.quiet = min(left(v.token.renew, now), left(v.token.expires, now))
}

// steady says that neither was the clock set nor has the machine slept since the
// view was made: the two clocks would have moved by different times then.
func (v *view) steady(now time.Time) bool {
	drift := time.Duration(now.UnixNano()-v.sinceWall) - now.Sub(v.since)
	return drift.Abs() < time.Second
}

// calm says that the token is in the first half of its life and nothing is in its
// way, so that nobody has anything to do.
func (v *view) calm(now time.Time) bool { return now.Sub(v.since) < v.quiet && v.steady(now) }

// satisfies says whether a request need not wait.
func (v *view) satisfies(q protocol.Query, now time.Time) bool {
	t := v.token
	if !t.valid(now) || string(q.Rejected) == t.access {
		return false
	}
	rest := left(t.expires, now)
	return rest >= time.Duration(q.MinValid)*time.Second && (rest >= margin || t.fresh(now))
}

// credential is what a view has for everybody.
func (v *view) credential(now time.Time) (*credential, error) {
	switch {
	case v.token.valid(now) && v.unresolved != nil:
		return nil, v.unresolved
	case v.token.valid(now) && v.ready != nil && v.steady(now): // R9: also in an outage
		return v.ready, nil
	case v.token.valid(now):
		return v.bearer(now), nil
	case v.problem != nil:
		return nil, v.problem
	}
	return nil, protocol.Errorf(protocol.CodeUnavailable, "the access token has run out, and no new one has come yet")
}

func (v *view) bearer(now time.Time) *credential {
	return &credential{Credential: protocol.Credential{
		Username: "Bearer", Secret: protocol.Secret(v.token.access), Expires: onWall(v.token.expires, now), Headers: v.headers,
	}}
}

// join finds the refresh that can help a request, or nil where none can: then
// the answer is given at once, as in a back-off (R7).
func (l *Login) join(q protocol.Query) *flight {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	switch {
	case l.view.Load().satisfies(q, now):
		return nil // it has landed since the request looked
	case l.flight != nil:
		return l.flight
	case l.login.refresh == "" || l.limbo || l.stuck || !l.mayTryLocked(now):
		return nil
	case !l.login.fresh(now):
		return l.startLocked("")
	}
	// The token is fresh and the client wants another one: once per access
	// token, and never within five minutes of the last refresh.
	id := fingerprint(l.login.access)
	if l.forced == id || now.Sub(l.refreshed) < forcedPause {
		return nil
	}
	return l.startLocked(l.login.access)
}

// sourceLocked says which credential a request that is not forced gets, and
// what that shadows (§5).
func (l *Login) sourceLocked() (source string, shadows []string) {
	if l.cfg.Key.Secret == "" {
		return "login", nil
	}
	if l.login.refresh != "" {
		shadows = []string{"login"}
	}
	return l.cfg.Key.Source, shadows
}

// servers answers list, for a request that is forced to the login or not.
func (l *Login) servers(forced bool) map[string]string {
	v := l.view.Load()
	kind := "Bearer"
	switch {
	case l.cfg.Key.Secret != "" && !forced:
		kind = "Key"
	case !v.token.valid(time.Now()) && v.problem != nil:
		return map[string]string{}
	}
	list := map[string]string{}
	for _, server := range l.cfg.Servers.List() {
		list[server] = kind
	}
	return list
}

// status describes the login for people and scripts; it holds no secret.
func (l *Login) status() protocol.Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	s := protocol.Status{
		Home:      l.cfg.Home,
		Issuer:    l.cfg.Issuer,
		State:     l.stateLocked(),
		Subject:   l.subjectLocked(),
		Expires:   onWall(l.shown.expires, now),
		Refreshed: l.refreshed,
		Refreshes: l.refreshes,
		Warnings:  append([]string(nil), l.warnings...),
	}
	if l.inDoubtLocked() {
		s.Warnings = append(s.Warnings, l.memory.Doubt.warning())
	}
	s.Source, s.Shadows = l.sourceLocked()
	if l.login.refresh != "" && !l.stuck {
		s.NextRefresh = onWall(l.nextLocked(now), now)
	}
	s.Team, s.TeamID = l.team.name, l.team.id
	s.Unresolved = l.team.trouble != nil || l.team.name != "" && l.team.id == ""
	for _, t := range []*trouble{l.troubleLocked(), l.team.trouble} {
		if t != nil && s.LastError == "" {
			s.LastError, s.Hint = t.text, t.mend
		}
	}
	return s
}

// nextLocked is when the schedule has something to do.
func (l *Login) nextLocked(now time.Time) time.Time {
	if l.retryAt.After(now) && (l.trouble != nil || l.login.renew.Before(l.retryAt)) {
		return l.retryAt
	}
	return l.login.renew
}

func (l *Login) stateLocked() string {
	if l.cfg.Key.Secret != "" {
		return protocol.StateKey
	}
	return l.loginStateLocked()
}

// loginStateLocked is the state of the login, whatever key is served instead.
func (l *Login) loginStateLocked() string {
	now := time.Now()
	switch {
	case l.limbo:
		return protocol.StateUnavailable
	case l.stuck, l.trouble != nil && l.trouble.code == protocol.CodeLoginRequired:
		return protocol.StateLoginRequired
	case l.login.refresh == "":
		return protocol.StateLoggedOut
	case l.trouble != nil && !l.shown.valid(now):
		return protocol.StateUnavailable
	}
	return protocol.StateLoggedIn
}
