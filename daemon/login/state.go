package login

import (
	"cmp"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

const (
	// writerDied is how long an empty token file is left to its writer (F3).
	writerDied = 5 * time.Second
	// margin is how long a served token should still live: time to use it. Below it, a
	// request waits for a rotation that can be had. It is no part of when a rotation is due
	// by itself: that is the token's RefreshAt (R2).
	margin = 30 * time.Second
)

// Phase is where the login stands. Exactly one holds.
type Phase int

const (
	LoggedOut  Phase = iota // no token file
	Active                  // tokens are held; the access token may have expired
	Missing                 // the file vanished, and the issuer could not be reached since
	Rejected                // the issuer does not accept the refresh token, and no fallback is left
	Unverified              // the last ID token was wrong: not served, not refreshed
	Foreign                 // the file holds another issuer's login
)

// State is all that the daemon knows of the login. It is a value: next makes a new
// one of it, and nobody changes what it points to.
type State struct {
	Phase      Phase
	Tokens     tokenfile.Token // held
	Served     tokenfile.Token // what clients get; older than Tokens while an ID token is checked
	Replaces   string          // the refresh token in the file that Tokens must replace: they are not in it yet
	Owed       string          // a consumed token whose successor is in memory only: the next start has to replay it
	Committing bool            // Tokens were granted a moment ago, and their rotation is about to put them into the file
	Fallback   Fallback
	Trying     string // the fallback that a rotation was handed, "" once a logout has ended that too
	// Competing is an adopted refresh token that came of the same one as ours,
	// probably: it is used at once (see competingWindow).
	Competing string
	Dead      string // the refresh token that the issuer has rejected, "" where there is none
	Doubt     *Doubt // the newest ID token, while no key verifies it

	EmptySince  time.Time // since when the file has been empty
	Problem     *Problem  // why there is no fresh token
	FileProblem *Problem  // what is wrong with the token file itself

	Retry         time.Time // nothing is sent before
	RetryOnChange bool      // Retry is only until the file changes
	Pinging       bool      // the issuer is being asked whether it can be reached
	Leaving       bool      // we are deleting the file ourselves
	Outdated      bool      // the last reading was made before the login, or the file, changed: read again
	fileRev       int       // counts what the daemon got to know of the token file, or did to it: what was read meanwhile may be older

	Refreshed   time.Time // the last rotation
	Refreshes   int       // since the start
	Forced      string    // fingerprint of the last access token that a client has had replaced
	minute      time.Time // since when inMinute counts refreshes
	inMinute    int
	refused     bool   // clients are
	reported    string // the state that the hook heard of last, "" before the first
	reportedAt  time.Time
	Warnings    []string // what people should know but what stops nothing
	Team        Team
	Teams       Teams
	logins      int // how many have come, and gone, since the start
	Ledger      journal.Ledger
	ledgerRev   int       // counts the changes of Ledger…
	ledgerSaved int       // …and which of them is on the disk
	saveTried   time.Time // the last try to write it
}

// Fallback is the newest refresh token that was received and not yet used: it is tried
// once if the one held is rejected, and kept until an adopted login has proved itself.
type Fallback struct {
	Refresh string
	Subject string // whose it is, where the ledger does not say
}

// Doubt is an ID token that no key verifies yet. It is in memory only: after a restart
// the next rotation judges.
type Doubt struct {
	Token   issuer.IDToken
	Subject string // whose account the login was so far, "" where that is not known
	Tries   int
	Retry   time.Time // zero: a try is under way, or the next is a rotation's
}

// held says whether there is a login.
func (s *State) held() bool { return s.Tokens.Refresh != "" }

// over says that the refresh token is not to be sent again (R8, R10).
func (s *State) over() bool { return s.Phase == Rejected || s.Phase == Unverified }

// living says that a login is held which, as far as anybody knows, the issuer still accepts.
func (s *State) living() bool { return s.held() && !s.over() && !s.fallbackPending() }

// fallbackPending says that the issuer has rejected the refresh token held, and the fallback is still to be
// tried: its answer may have been lost, and the issuer forgives a replay for a while only.
func (s *State) fallbackPending() bool { return s.held() && s.Dead == s.Tokens.Refresh }

// unwritten says that the ledger in memory has what falcred.json lacks.
func (s *State) unwritten() bool { return s.ledgerRev != s.ledgerSaved }

// Subject is the account of the login held, "" where it is not known.
func (s *State) Subject() string {
	return cmp.Or(s.Ledger.SubjectOf(s.Tokens.Refresh), s.Tokens.Subject)
}

// inDoubt says that nothing is known for certain of the login held (R10).
func (s *State) inDoubt() bool { return s.Ledger.Doubt.Of(s.Tokens.Refresh) }

// competes says that the login held may not wait for its time. What falcred itself was
// given, this daemon or another, competes with nothing.
func (s *State) competes() bool {
	return s.Competing != "" && s.Competing == s.Tokens.Refresh && !s.Ledger.IsTip(s.Competing)
}

// problem is what people should know of, nil where all is well.
func (s *State) problem() *Problem {
	if s.Problem != nil {
		return s.Problem
	}
	return s.FileProblem
}

// mayTry says that R7's pause is over. It passes while the machine sleeps.
func (s *State) mayTry(now time.Time) bool { return clock.Remaining(s.Retry, now) <= 0 }

// due says whether there is something for a rotation to do. unfinished says that the
// journal has an entry for the refresh token held: it is settled however fresh the
// access token is (R4).
func (s *State) due(unfinished bool, now time.Time) bool {
	switch {
	case !s.held() || !s.mayTry(now):
		return false
	case s.Phase == Missing:
		return !s.Pinging
	case s.Replaces != "":
		return true
	case !s.over() && unfinished:
		return true
	case !s.EmptySince.IsZero():
		return now.Sub(s.EmptySince) >= writerDied
	}
	return !s.over() && (!s.Tokens.Fresh(now) || s.competes() || s.fallbackPending())
}

// moments are when something may be due, zero where nothing is.
func (s *State) moments() (at [6]time.Time) {
	at = [6]time.Time{s.Tokens.RefreshAt, s.Retry, s.Team.retryAt(), 5: s.Served.Expires}
	if !s.EmptySince.IsZero() {
		at[3] = s.EmptySince.Add(writerDied)
	}
	if s.Doubt != nil {
		at[4] = s.Doubt.Retry
	}
	return at
}

// untilDue is how long nothing has to be done by the clock, at most until the next
// whole minute: a lost event costs no more than that (F3, R2).
func (s *State) untilDue(now time.Time) time.Duration {
	wait := clock.UntilMinute(now)
	for _, t := range s.moments() {
		if d := clock.Remaining(t, now); d > 0 {
			wait = min(wait, d)
		}
	}
	return wait
}

// token is the one that clients may have now; its Access is "" where they get none.
func (s *State) token() tokenfile.Token {
	if !s.held() || s.Phase == Missing {
		return tokenfile.Token{}
	}
	return s.Served
}

// refusal is why clients get no token once the served one has run out, nil where
// nothing is wrong.
func (s *State) refusal() *protocol.Error {
	p := s.problem()
	switch {
	case s.Phase == Missing:
		return protocol.Errorf(protocol.CodeUnavailable,
			"the token file was deleted while the issuer could not be reached; its next answer decides whether that was a logout")
	case p != nil:
		return p.Wire()
	case !s.held():
		return protocol.ErrNotFound
	}
	return nil
}

// satisfies says whether a request need not wait for a rotation.
func (s *State) satisfies(q protocol.Query, now time.Time) bool {
	t := s.token()
	if !t.Valid(now) || string(q.Rejected) == t.Access {
		return false
	}
	rest := clock.Remaining(t.Expires, now)
	return rest >= time.Duration(q.MinValid)*time.Second && (rest >= margin || t.Fresh(now))
}

// Login is the login's state for people and scripts, one of the states of
// [protocol.Status], whatever key is served instead.
func (s *State) Login(now time.Time) string {
	p := s.problem()
	switch {
	case s.Phase == Missing:
		return protocol.StateUnavailable
	case s.over(), s.Phase == Foreign, p != nil && p.Code == protocol.CodeLoginRequired:
		return protocol.StateLoginRequired
	case !s.held():
		return protocol.StateLoggedOut
	case p != nil && !s.Served.Valid(now):
		return protocol.StateUnavailable
	}
	return protocol.StateLoggedIn
}

// refreshedWithin says whether the last rotation in this home is not older than d. What an
// earlier daemon did counts too: a client can have it restarted.
func (s *State) refreshedWithin(d time.Duration, now time.Time) bool {
	age := now.Sub(time.Unix(s.Ledger.Rotated, 0)) // by the wall clock, which may have been set back
	return now.Sub(s.Refreshed) < d || 0 <= age && age < d
}

// nextRefresh is when the next rotation is due.
func (s *State) nextRefresh(now time.Time) time.Time {
	if s.Retry.After(now) && (s.Problem != nil || s.Tokens.RefreshAt.Before(s.Retry)) {
		return s.Retry
	}
	return s.Tokens.RefreshAt
}

// account is whose the login is, as far as teams go: by its name, or, where nobody has said that, by its
// being the same login still.
type account struct {
	subject string
	login   int
}

func (s *State) account() account {
	if subject := s.Subject(); subject != "" {
		return account{subject: subject}
	}
	return account{login: s.logins}
}

// Team is what the fal config asks for, and what became of it.
type Team struct {
	Name     string // "" is the personal account
	ID       string
	of       account   // whose login resolved the id, or did not
	Problem  *Problem  // why there is no id
	Broken   bool      // Problem is the config's
	OddSince time.Time // since when the config has been strange
	Retry    time.Time
}

// Teams are those of the login, as far as they were asked for.
type Teams struct {
	of      account       // whose
	List    []fal.Account // the newest answer; never changed
	Heard   time.Time     // when that came, zero where none did
	Problem *Problem      // why none came to the last question
	Retry   time.Time     // no question before, where one failed
	Wanted  bool          // by a request, and there is no answer yet
	Asking  bool
}

// retryAt is when something may be due about the team.
func (t Team) retryAt() time.Time {
	if !t.OddSince.IsZero() {
		return t.OddSince.Add(writerDied)
	}
	return t.Retry
}

// attribution is what goes with the login's token where a request names no team: header fields, or
// why there can be no answer.
func (s *State) attribution() (map[string]string, *protocol.Error) {
	switch t := s.Team; {
	case t.Problem != nil:
		return nil, t.Problem.Wire()
	case t.Name == "":
		return nil, nil
	case t.ID == "":
		return nil, notKnownYet(t.Name)
	}
	return map[string]string{fal.TeamHeader: s.Team.ID}, nil
}

// attributionTo is the same for the team that a request names; "" is the login's own account.
func (s *State) attributionTo(team string, now time.Time) (map[string]string, *protocol.Error) {
	if team == "" {
		return nil, nil
	}
	if t := s.Team; t.ID != "" && strings.EqualFold(t.Name, team) {
		return map[string]string{fal.TeamHeader: t.ID}, nil
	}
	if account, found := fal.FindAccount(s.Teams.List, team); found {
		return map[string]string{fal.TeamHeader: account.UserID}, nil
	}
	switch p := s.Teams.Problem; {
	case s.Teams.believed(now):
		return nil, notAMember(team).Wire()
	case p != nil && !s.Teams.Asking: // else that may be over
		return nil, notFound(team, p.Text, p.Hint).Wire()
	}
	return nil, notKnownYet(team)
}

// same says that a request that names a team is answered as before.
func (t Teams) same(as Teams) bool {
	return t.of == as.of && t.Heard.Equal(as.Heard) && t.Problem == as.Problem
}

// noTeamPause is how long a login that is in no such team is believed to be.
const noTeamPause = 5 * time.Minute

// believed says that what is not in the list is no team of the login's.
func (t Teams) believed(now time.Time) bool {
	return !t.Heard.IsZero() && now.Sub(t.Heard) < noTeamPause
}
