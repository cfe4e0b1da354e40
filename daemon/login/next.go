package login

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/words"
)

const (
	// competingWindow: a neighbour's token that turns up so soon after our own rotation
	// probably came of the same token as ours. An issuer's overlap forgives that, and
	// that the older of the two is used next, but only for a short time: it is used at
	// once, and not after half of its life (F5).
	competingWindow = time.Minute
	// maxPerMinute is what no login needs: somebody undoes each rotation, and a pause
	// keeps that from becoming a storm at the issuer.
	maxPerMinute = 300
	// hookAgain is after how long the hook is told once more that the login has ended, for as
	// long as it has.
	hookAgain = 24 * time.Hour
	// maxWarnings are kept, the newest.
	maxWarnings = 8
)

// doubtPauses are those after which an ID token in doubt is tried again (R10). Then each
// rotation brings another, or tries the same.
var doubtPauses = []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute}

func doubtPause(tries int, why error) time.Duration {
	return max(doubtPauses[tries], httpx.Said(why).RetryAfter)
}

// machine is one step of the login: the state as it becomes, and what follows from that.
type machine struct {
	State
	now     time.Time
	actions []Action
}

// next is the whole machine: no I/O, no clock, no lock. It says how the login stands
// after an event, and what is to be done because of it.
func next(s State, e Event, now time.Time) (State, []Action) {
	m := &machine{State: s, now: now}
	switch e := e.(type) {
	case Read:
		m.read(e)
	case Pinged:
		m.pinged(e)
	case LedgerRead:
		m.ledgerRead(e)
	case LedgerSaved:
		m.saved(e)
	case Noted:
		m.setLedger(e.on(m.Ledger))
	case ConsumedHere:
		for _, refresh := range e.Refresh {
			m.setLedger(m.Ledger.Consume(refresh))
		}
	case Granted:
		m.granted(e)
	case Committed:
		m.committed()
	case Rotated:
		m.rotated(e)
	case Failed:
		m.failed(e)
	case Refused:
		m.Dead = e.Refresh
		m.record(events.Rejected, "the issuer does not accept the refresh token (invalid_grant)")
	case FallbackTaken:
		if m.Fallback.Refresh == e.Refresh {
			m.Fallback = Fallback{}
		}
	case FallbackKept:
		if m.Fallback.Refresh == "" {
			m.Fallback = e.Fallback
		}
	case Restored:
		m.Replaces, m.Owed, m.EmptySince = "", "", time.Time{}
		m.log(slog.LevelWarn, "restored the token file", "cause", e.Why)
		m.record(events.Restored, e.Why)
	case Settled:
		m.log(slog.LevelInfo, "finished an interrupted refresh: its answer was on disk")
		m.record(m.adopt(e.Tokens), "")
		m.Fallback = Fallback{Refresh: e.Tokens.Refresh}
	case Stepped:
		m.step(e)
	case Stored:
		m.stored(e)
	case Kept:
		m.Tokens, m.Phase = tokenfile.Dated(e.Tokens, m.now), Active
		m.record(events.LoggedIn, "falcred login")
	case Followed:
		m.setLedger(m.Ledger.Follow(e.Ledger))
	case Leaving:
		m.Leaving = bool(e)
	case Ended:
		m.Leaving = false
		m.forget(e.Why)
	case Tick:
		m.tick(e)
	case Retried:
		m.retried(e)
	case Happened:
		m.record(e.Kind, e.Cause)
	case Warned:
		m.warned(e)
	case TeamRead:
		m.teamRead(e)
	case TeamAnswered:
		m.teamAnswered(e)
	}
	m.attribute()
	m.report(e)
	return m.State, m.actions
}

func (m *machine) do(a Action) { m.actions = append(m.actions, a) }

func (m *machine) log(level slog.Level, text string, args ...any) {
	m.do(logged{level, text, args})
}

// record writes an event about the login held into the history.
func (m *machine) record(kind, cause string) {
	e := events.Event{
		Time: m.now.UTC(), Event: kind, Cause: cause,
		Subject: m.Subject(), Expires: clock.WallTime(m.Tokens.Expires, m.now),
	}
	if kind == events.LoginRequired || kind == events.LoggedOut {
		e.Since = m.Ledger.Course.SinceOf(m.Tokens.Refresh)
	}
	m.do(recorded{e})
}

// report passes a new state of the login on to the hook. The first one after the start,
// which the first reading brings, is no change, unless somebody has to do something about it.
func (m *machine) report(e Event) {
	before, state := m.reported, m.Login(m.now)
	if _, first := e.(Read); before == "" && !first {
		return
	}
	m.reported = state
	again := state == protocol.StateLoginRequired && state == before && !m.reportedAt.IsZero() && m.now.Sub(m.reportedAt) >= hookAgain
	if state == before && !again || before == "" && (state == protocol.StateLoggedOut || state == protocol.StateLoggedIn) {
		return
	}
	cause := ""
	if p := m.problem(); p != nil {
		cause = p.Text
	}
	m.reportedAt = m.now
	m.do(reported{events.Change{State: state, Cause: cause}})
}

func (m *machine) setLedger(l journal.Ledger) {
	m.Ledger = l
	m.ledgerRev++
}

// read applies a reading of the token file (F3).
func (m *machine) read(e Read) {
	m.Outdated = e.Held != m.Tokens.TokenPair
	if m.Outdated {
		return
	}
	meaning := classify(e.Reading, m.State)
	noted := e.Known.IsTip(e.Pair.Refresh) // by `falcred login`, or another daemon: it is in the history already
	m.Ledger = m.Ledger.Learn(e.Known)
	if meaning != Empty {
		m.EmptySince = time.Time{}
	}
	switch meaning {
	case Unusable:
		m.unusable(e)
		return
	case Empty:
		m.empty()
	case Gone:
		m.vanished()
	case Unchanged:
		m.Replaces, m.Owed = "", "" // whoever has put it there
		switch {
		case m.Phase == Missing && m.Committing: // by ourselves, a moment ago: the rotation says so
			m.Phase = Active
		case m.Phase == Missing:
			m.record(m.adopt(e.Pair), "")
		}
	case Behind: // a rotation that is under way, or due, puts ours there
	case Torn: // the whole one goes back
		if m.mayTry(m.now) {
			m.Replaces = e.Pair.Refresh
			m.do(rotate{})
		}
	case Consumed: // a rotation puts the valid token back
		if m.mayTry(m.now) {
			m.do(rotate{})
		}
	case OtherIssuer:
		m.foreign(tokenfile.IssuerOf(e.Pair.Access))
	case NewTokens:
		if noted && !m.unwritten() { // only here: of another token the reading may know less than we do by now
			m.Ledger = m.Ledger.Follow(e.Known)
		}
		kind := m.adopt(e.Pair)
		if !noted {
			m.record(kind, "")
		}
		if !m.Tokens.Fresh(m.now) && !m.over() && m.mayTry(m.now) {
			m.do(rotate{})
		}
	}
	if m.FileProblem != nil {
		if m.Problem != nil && m.Problem.file { // a rotation met the same
			m.Problem, m.Retry = nil, time.Time{}
		}
		m.FileProblem = nil
	}
}

// unusable: whatever stands there is not a logout. What is in memory is served on; nothing
// is refreshed, since the result could not be kept.
func (m *machine) unusable(e Read) {
	if m.FileProblem != nil && m.FileProblem.Text == e.Err.Error() {
		return
	}
	m.FileProblem = &Problem{Code: protocol.CodeInternal, Text: e.Err.Error(), Hint: e.Hint()}
	m.log(slog.LevelWarn, "the token file cannot be used", "cause", e.Err)
}

func (m *machine) empty() {
	if m.EmptySince.IsZero() {
		m.EmptySince = m.now
	}
	if m.held() && m.now.Sub(m.EmptySince) >= writerDied && m.mayTry(m.now) {
		m.do(rotate{})
	}
}

// vanished is a logout, unless the issuer cannot be reached (F7). Nothing is served from
// the first moment on.
func (m *machine) vanished() {
	switch {
	case m.over(), !m.held() && m.Problem != nil:
		m.forget("the token file was deleted")
		return
	case !m.held() || m.Phase == Missing || m.Leaving:
		return
	}
	m.Phase = Missing
	m.record(events.Vanished, "the token file was deleted; asking the issuer whether that was a logout")
	if !m.Pinging {
		m.Pinging = true
		m.do(ping{})
	}
}

// pinged decides F7's question if the issuer was heard. Where its keys can be had and refreshes
// are not answered, those of other programs are not either, and they delete the file for it:
// then the next refresh decides.
func (m *machine) pinged(e Pinged) {
	m.Pinging = false
	if m.Phase != Missing {
		return // the file is back
	}
	cause := e.Err
	if cause == nil && m.Problem != nil && m.Problem.unheard {
		cause = errors.New(m.Problem.Text)
	}
	if cause == nil {
		m.forget("the token file was deleted")
		return
	}
	m.log(slog.LevelWarn, "the token file was deleted and the issuer does not answer; the login is kept in memory until it does", "cause", cause)
	if next := m.now.Add(e.Pause); next.After(m.Retry) {
		m.Retry = next
	}
}

// adopt takes over what somebody else wrote into the file (F3). It returns what that is
// to the history.
func (m *machine) adopt(p tokenfile.TokenPair) (kind string) {
	before, other, unsaved := m.Tokens, p.Refresh != m.Tokens.Refresh, m.Replaces != ""
	m.Tokens = tokenfile.Dated(p, m.now)
	m.Served = m.Tokens
	m.Replaces, m.Owed = "", "" // the file holds something else than was sent
	if other || !m.over() {
		m.Phase, m.Problem = Active, nil
	}
	if other && m.Subject() == "" {
		m.Team.ID = "" // whose it was is not known to be the same
	}
	if m.RetryOnChange {
		m.Retry = time.Time{}
	}
	if other {
		m.Retry, m.Doubt = time.Time{}, nil
		m.do(resetPause{})
		if m.Fallback.Refresh != "" && m.Tokens.Subject == before.Subject && m.now.Sub(m.Refreshed) < competingWindow {
			m.Competing = p.Refresh
		}
		m.began(before)
		m.replaced(before, unsaved)
	}
	if m.Ledger.Erased.Subject != "" { // a login in the file: what was erased before it is over (§4)
		m.setLedger(m.Ledger.Erase(journal.Erased{At: m.now.UnixNano()}))
		m.do(remember{})
	}
	switch {
	case m.Ledger.Distrusts(p.Refresh):
		m.distrust()
	case m.Ledger.Unjudged(p): // R10: the next ID token says, and that is asked for at once
		m.Tokens.Expires, m.Tokens.RefreshAt = time.Time{}, time.Time{}
		m.Served = m.Tokens
	}
	m.log(slog.LevelInfo, "adopted the login in the token file", "expires", m.Tokens.Expires)
	if before.Refresh == "" {
		return events.LoggedIn
	}
	return events.Adopted
}

// replaced decides what becomes of the login that was held before another one was adopted
// (F5). One that a neighbour has rotated is consumed, like one of ours: it was in the
// file, the new token of its account is younger, and that came neither within
// competingWindow of our own rotation nor by another falcred. Any other is kept as the
// fallback, until the adopted one has proved itself.
func (m *machine) replaced(before tokenfile.Token, unsaved bool) {
	l, adopted := m.Ledger, m.Tokens
	if before.Refresh == "" { // what was held before this start is known by its fingerprint only
		younger := adopted.Issued.Sub(time.Unix(l.TipIssued, 0))
		if !l.IsTip(adopted.Refresh) && l.TipIssued != 0 && l.Subject != "" && l.Subject == adopted.Subject && younger >= competingWindow {
			m.do(rotatedBefore{l.Tip})
		}
		return
	}
	rotated := !unsaved && adopted.SameAccount(before) && adopted.Issued.After(before.Issued) && m.now.Sub(m.Refreshed) >= competingWindow
	if rotated && !l.IsTip(adopted.Refresh) {
		m.setLedger(l.Consume(before.Refresh))
		if m.Fallback.Refresh == before.Refresh {
			m.Fallback = Fallback{}
		}
		m.do(remember{})
		return
	}
	if m.Fallback.Refresh == "" && before.Refresh != m.Dead && !l.Consumed(before.Refresh) {
		m.Fallback = Fallback{before.Refresh, before.Subject}
	}
}

// distrust: a token that failed verification is neither served nor refreshed, and stays
// on disk (R10).
func (m *machine) distrust() {
	m.Served = tokenfile.Token{}
	m.Phase, m.Doubt = Unverified, nil
	m.Problem = &Problem{
		Code: protocol.CodeLoginRequired,
		Text: "the issuer's last answer is not trusted (its ID token is for another issuer, client or account, or is not signed), so its token is not served",
		Hint: "log in again: falcred login; if it happens again, something between this machine and the issuer answers in its place",
	}
	m.record(events.LoginRequired, m.Problem.Text)
	m.ended(m.Problem.Text, false)
}

// foreign holds R13 against a login of another issuer.
func (m *machine) foreign(other string) {
	text := fmt.Sprintf("the token file holds a login from another issuer (%q), and this daemon is for %s", short(other), m.Ledger.Issuer)
	if m.Problem != nil && m.Problem.Text == text {
		return
	}
	m.Tokens, m.Served, m.Fallback, m.Replaces, m.Owed = tokenfile.Token{}, tokenfile.Token{}, Fallback{}, "", ""
	m.Phase = Foreign
	m.Problem = &Problem{Code: protocol.CodeLoginRequired, Text: text, Hint: "keep logins of different issuers in different homes (FAL_HOME_DIR)"}
	m.log(slog.LevelError, text)
	m.record(events.LoginRequired, text)
}

// forget is a logout.
func (m *machine) forget(why string) {
	m.record(events.LoggedOut, why)
	m.ended(why, false)
	m.Team.ID = ""
	m.Tokens, m.Served = tokenfile.Token{}, tokenfile.Token{}
	m.Replaces, m.Owed, m.Fallback, m.Doubt = "", "", Fallback{}, nil
	m.Phase, m.Problem, m.Retry = LoggedOut, nil, time.Time{}
	m.do(resetPause{})
	m.log(slog.LevelInfo, "logged out", "cause", why)
}

// ledgerRead takes over what other daemons of this home know. What this one knows and
// could not write goes on, and what only grows is kept even if the file is an old copy.
func (m *machine) ledgerRead(e LedgerRead) {
	if e.Err != nil {
		m.warned(Warned{Text: e.Err.Error()})
		return
	}
	if e.Lost && !m.unwritten() {
		m.ledgerRev++
	}
	l := e.Ledger
	if m.unwritten() {
		l = l.Merge(m.Ledger)
	}
	l = l.Learn(m.Ledger)
	if c := m.Ledger.Course; c.Of(m.Tokens.Refresh) && (l.Tip == "" || l.Course.Token != l.Tip) {
		l.Course = c // of the login held: what is on disk may not know it yet
	}
	m.Ledger = l
}

func (m *machine) saved(e LedgerSaved) {
	switch {
	case e.Err != nil:
		m.ledgerRev++ // whatever of it has reached the disk
		m.warned(Warned{Text: "falcred.json or falcred.consumed cannot be written: " + e.Err.Error()})
	case e.Whole:
		m.ledgerSaved = e.Rev
	default:
		m.ledgerRev++ // Owed is missing in it
	}
}

// granted makes the issuer's answer the login that is held. It is served once it is in the
// file and verified (R5, R10).
func (m *machine) granted(e Granted) {
	tokens, skew := tokenfile.DatedReply(e.Reply.Tokens, e.Reply.Lifetime, m.now)
	if skew != 0 {
		m.warned(Warned{Text: "this machine's clock differs from the issuer's by " + words.Span(skew.Abs().Round(time.Second))})
	}
	l := m.Ledger.Step(e.From, e.Reply.Tokens).MadeBy(e.Reply.Tokens.Refresh, e.Client)
	l.Rotated = m.now.Unix()
	m.Fallback = Fallback{tokens.Refresh, tokens.Subject}
	if e.Wrong { // written down before anybody finds it in the file
		l = l.Distrust(e.Reply.Tokens)
		m.Fallback = Fallback{}
	}
	m.setLedger(l)
	m.Tokens, m.Replaces, m.Committing = tokens, e.InFile, true
	if m.Phase != Missing {
		m.Phase = Active
	}
	if m.Owed = e.From; e.Recorded {
		m.Owed = ""
	}
	m.Refreshed = m.now
	m.Refreshes++
}

func (m *machine) committed() {
	m.Replaces, m.EmptySince, m.Committing = "", time.Time{}, false
	if m.Phase == Missing {
		m.Phase = Active
	}
	m.log(slog.LevelInfo, "refreshed", "expires", m.Tokens.Expires)
	m.record(events.Refreshed, "")
	m.do(reported{events.Change{State: events.Refreshed}})
}

// rotated serves what a rotation has brought, by what its ID token is worth (R10).
func (m *machine) rotated(e Rotated) {
	m.Committing = false
	if e.Tokens.Refresh == "" {
		if m.Tokens.Fresh(m.now) && !m.over() {
			m.recovered()
		}
		return
	}
	if e.Forced != "" {
		m.Forced = tokenfile.Fingerprint(e.Forced) // what failed may be asked for again, after R7's pause
	}
	if e.Tokens != m.Tokens.TokenPair {
		return // another login has been adopted since
	}
	switch {
	case e.Verdict.Wrong != nil:
		m.log(slog.LevelError, "the issuer's answer is not trusted", "cause", e.Verdict.Wrong)
		m.distrust()
		m.do(remember{Note{Wrong: e.Tokens}, true}) // once more: the rotation may not have been able to write it
		return
	case e.Verdict.Doubt != nil:
		m.doubt(e.Verdict, e.Subject, e.Keys, true)
	case e.Verdict.Verified():
		m.verified(e.Verdict.Subject())
	case !m.inDoubt(): // there was no ID token
		subject := e.Subject
		if subject == "" {
			subject = m.Tokens.Subject
		}
		m.learn(subject)
	}
	m.Served = m.Tokens
	m.recovered()
	m.count()
	if !m.Tokens.Fresh(m.now) || m.inMinute > maxPerMinute { // born old, or undone: with a pause (R7)
		m.Retry = m.now.Add(e.Pause)
	}
	if m.Replaces != "" { // R5: served from memory, retried until it is on disk
		m.Problem = &Problem{Code: protocol.CodeUnavailable, Text: "the new token could not be written to the token file; it is served from memory until it can be", Hint: diskHint}
		m.Retry = m.now.Add(e.Pause)
	}
}

// count counts rotations by the minute.
func (m *machine) count() {
	if m.now.Sub(m.minute) >= time.Minute {
		m.minute, m.inMinute = m.now, 0
	}
	m.inMinute++
}

// recovered: what was wrong is over. The pause starts from its beginning only after a
// token that lasts.
func (m *machine) recovered() {
	m.Problem, m.Retry = nil, time.Time{}
	if m.Tokens.Fresh(m.now) {
		m.do(resetPause{})
	}
}

func (m *machine) failed(e Failed) {
	switch {
	case e.about != nil && *e.about != m.Tokens.Refresh:
		return // another login has been adopted since
	case e.gone:
		m.forget(e.Text)
		return
	}
	if m.Problem == nil || m.Problem.Text != e.Text {
		m.log(slog.LevelWarn, "refresh failed", "cause", e.Text)
		kind := events.Unavailable
		if e.ended {
			kind = events.LoginRequired
		}
		m.record(kind, e.Text)
	}
	problem := e.Problem
	m.Problem = &problem
	if e.ended && m.Phase != Unverified {
		before := m.Phase
		if m.Phase = Rejected; before != Rejected && m.ended(e.Text, true) {
			c := m.Ledger.Course
			m.do(remember{Note{Course: &c}, false})
		}
	}
	wait := e.after
	if wait == 0 {
		wait = e.Pause
	}
	m.Retry, m.RetryOnChange = m.now.Add(wait), e.onChange
}

func (m *machine) step(e Stepped) {
	l := m.Ledger.Step(e.From, e.To).MadeBy(e.To.Refresh, e.Client)
	if e.Subject != "" {
		l = l.Belongs(e.To.Refresh, e.Subject)
	}
	m.setLedger(l)
}

func (m *machine) stored(e Stored) {
	m.adopt(e.Reply.Tokens)
	m.record(events.LoggedIn, "store")
	m.Tokens, _ = tokenfile.DatedReply(e.Reply.Tokens, e.Reply.Lifetime, m.now)
	m.Served, m.Fallback, m.Refreshed = m.Tokens, Fallback{Refresh: m.Tokens.Refresh}, m.now
	if e.Verdict.Doubt != nil {
		m.doubt(e.Verdict, e.Subject, e.Keys, false)
	}
}

// doubt keeps an ID token that no key verifies.
func (m *machine) doubt(v issuer.Verdict, subject, keys string, rotation bool) {
	m.Doubt = &Doubt{Token: v.Token, Subject: subject, Retry: m.now.Add(doubtPause(0, v.Doubt))}
	d := m.Ledger.Doubt.Again(m.Tokens.Refresh, v.Doubt.Error(), v.Token.Key, v.Token.Algorithm, keys, m.now)
	if rotation {
		d.Rotations++
	}
	m.Ledger.Doubt = d
	m.log(slog.LevelWarn, d.Warning())
	m.do(remember{Note{Refresh: m.Tokens.Refresh, Doubt: &d}, true})
}

// verified ends a doubt, if there was one, and learns whose the login is.
func (m *machine) verified(subject string) {
	m.Doubt = nil
	if !m.inDoubt() {
		m.learn(subject)
		return
	}
	m.log(slog.LevelInfo, "the login's ID token is now verified")
	m.Ledger.Doubt = journal.Doubted{}
	m.do(remember{Note{Refresh: m.Tokens.Refresh, Subject: &subject, Doubt: &journal.Doubted{}}, true})
}

// learn takes note of whose the login is, if that is not known.
func (m *machine) learn(subject string) {
	if m.Ledger.SubjectOf(m.Tokens.Refresh) != subject {
		m.do(remember{Note{Refresh: m.Tokens.Refresh, Subject: &subject}, true})
	}
}

func (m *machine) retried(e Retried) {
	switch {
	case m.Doubt != e.Doubt: // a rotation was faster, or another login is here
	case e.Verdict.Verified():
		m.verified(e.Verdict.Subject())
	default:
		d := *e.Doubt
		if d.Tries++; d.Tries < len(doubtPauses) {
			d.Retry = m.now.Add(doubtPause(d.Tries, e.Verdict.Doubt))
		}
		m.Doubt = &d
	}
}

// tick starts what is due by the clock.
func (m *machine) tick(e Tick) {
	if m.due(e.Unfinished != "" && e.Unfinished == m.Tokens.Refresh, m.now) {
		m.do(rotate{})
	}
	if d := m.Doubt; d != nil && m.held() && !d.Retry.IsZero() && clock.Remaining(d.Retry, m.now) <= 0 {
		again := *d
		again.Retry = time.Time{}
		m.Doubt = &again
		m.do(verifyAgain{&again})
	}
	m.term()
}

func (m *machine) warned(e Warned) {
	warnings := slices.DeleteFunc(slices.Clone(m.Warnings), func(text string) bool {
		return e.Instead != "" && strings.HasPrefix(text, e.Instead) && text != e.Text
	})
	if e.Text != "" && !slices.Contains(warnings, e.Text) {
		m.log(slog.LevelWarn, e.Text)
		warnings = append(warnings, e.Text)
		warnings = warnings[max(0, len(warnings)-maxWarnings):]
	}
	m.Warnings = warnings
}
