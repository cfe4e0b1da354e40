package login

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

// competingWindow: a neighbour's token that turns up so soon after our own rotation
// probably came of the same token as ours. An issuer's overlap forgives that, and
// that the older of the two is used next, but only for a short time: it is used at
// once, and not after half of its life (F5).
const competingWindow = time.Minute

// read applies a reading of the token file (F3).
func (m *machine) read(e Read) {
	m.Outdated = e.Held != m.Tokens.TokenPair || e.Rev != m.fileRev
	if m.Outdated {
		return
	}
	m.fileRev++
	meaning := classify(e.Reading, m.State)
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
			m.record(m.adopt(e.Pair, false), "")
		}
	case Behind: // a rotation that is under way, or due, puts ours there
	case Torn: // the whole one goes back
		if m.mayTry(m.now) {
			m.Replaces = e.Pair.Refresh
			m.do(rotate{})
		}
	case Consumed: // a rotation puts the valid token back
		if m.Phase == Missing && e.Pair.Refresh == m.Tokens.Refresh { // what is held is a copy itself, then
			m.forget("it was ended, or used up, by another falcred of this home")
		}
		if m.mayTry(m.now) {
			m.do(rotate{})
		}
	case OtherIssuer:
		m.foreign(tokenfile.IssuerOf(e.Pair.Access))
	case NewTokens:
		m.replacedBy(e)
	}
	if m.FileProblem != nil {
		if m.Problem != nil && m.Problem.file { // a rotation met the same
			m.Problem, m.Retry = nil, time.Time{}
		}
		m.FileProblem = nil
	}
}

// replacedBy adopts other tokens than those held.
func (m *machine) replacedBy(e Read) {
	noted := e.Known.IsTip(e.Pair.Refresh) // by `falcred login`, or another daemon: it is in the history already
	if noted && !m.unwritten() {           // only here: of another token the reading may know less than we do by now
		m.Ledger = m.Ledger.Follow(e.Known)
	}
	if kind := m.adopt(e.Pair, noted); noted {
		m.hear(kind)
	} else {
		m.record(kind, "")
	}
	if !m.Tokens.Fresh(m.now) && !m.over() && m.mayTry(m.now) {
		m.do(rotate{})
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
	m.record(events.Vanished, "asking the issuer whether that was a logout")
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

// adopt takes over what somebody else wrote into the file (F3): a falcred, where it is noted, whether the
// ledger held says so by now or not. It returns what that is to the history.
func (m *machine) adopt(p tokenfile.TokenPair, noted bool) (kind string) {
	before, other, unsaved := m.Tokens, p.Refresh != m.Tokens.Refresh, m.Replaces != ""
	m.Tokens = m.dated(p)
	m.Served = m.Tokens
	m.Replaces, m.Owed = "", "" // the file holds something else than was sent
	if other || !m.over() {
		m.Phase, m.Problem = Active, nil
	}
	if other {
		m.logins++
	}
	if m.RetryOnChange {
		m.Retry = time.Time{}
	}
	if other {
		m.Retry, m.Doubt = time.Time{}, nil
		m.do(resetPause{})
		if !noted && m.Fallback.Refresh != "" && m.Tokens.Subject == before.Subject && m.now.Sub(m.Refreshed) < competingWindow {
			m.Competing = p.Refresh
		}
		m.began(before)
		m.replaced(before, unsaved, noted)
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
	if before.Refresh == "" {
		return events.LoggedIn
	}
	return events.Adopted
}

// justNow is how long ago another falcred of the home can have received what is adopted, and
// our clock still be the one that it had.
const justNow = 2 * time.Minute

// dated dates a pair that is adopted. One that another falcred of the home has just received
// is as fresh as it was there, though its access token cannot be read, or has run out by a
// clock that is ahead: else each would refresh at once what the other has, for ever. Where
// nobody says how long it lasts it counts as expired.
func (m *machine) dated(p tokenfile.TokenPair) tokenfile.Token {
	t, l := tokenfile.Dated(p, m.now), m.Ledger
	age := m.now.Sub(time.Unix(l.Rotated, 0))
	same := l.IsTip(p.Refresh) && (l.TipIssued == 0 && t.Issued.IsZero() || t.Issued.Unix() == l.TipIssued)
	if t.Fresh(m.now) || !same || age < -time.Second || age > justNow || p.Access == "" || t.Expires.IsZero() && l.TipLasts == 0 {
		return t
	}
	received := m.now.Add(-max(age, 0))
	t, _ = tokenfile.DatedReply(p, time.Duration(l.TipLasts)*time.Second, received, received)
	return t
}

// replaced decides what becomes of the login that was held before another one was adopted
// (F5). One that a neighbour has rotated is consumed, like one of ours: it was in the
// file, the new token of its account is younger, and that came neither within
// competingWindow of our own rotation nor by another falcred. Any other is kept as the
// fallback, until the adopted one has proved itself.
func (m *machine) replaced(before tokenfile.Token, unsaved, noted bool) {
	l, adopted := m.Ledger, m.Tokens
	if before.Refresh == "" { // what was held before this start is known by its fingerprint only
		younger := adopted.Issued.Sub(time.Unix(l.TipIssued, 0))
		if !l.IsTip(adopted.Refresh) && l.TipIssued != 0 && l.Subject != "" && l.Subject == adopted.Subject && younger >= competingWindow {
			m.do(rotatedBefore{l.Tip})
		}
		return
	}
	rotated := !unsaved && adopted.SameAccount(before) && adopted.Issued.After(before.Issued) && m.now.Sub(m.Refreshed) >= competingWindow
	if rotated && !noted && !l.IsTip(adopted.Refresh) {
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

// foreign holds R13 against a login of another issuer.
func (m *machine) foreign(other string) {
	text := fmt.Sprintf("the token file holds a login from another issuer (%q), and this daemon is for %s", short(other), m.Ledger.Issuer)
	if m.Phase == Foreign && m.Problem != nil && m.Problem.Text == text {
		return
	}
	m.logins++
	m.Tokens, m.Served, m.Fallback, m.Replaces, m.Owed = tokenfile.Token{}, tokenfile.Token{}, Fallback{}, "", ""
	m.Phase = Foreign
	m.Problem = &Problem{Code: protocol.CodeLoginRequired, Text: text, Hint: "keep logins of different issuers in different homes (FAL_HOME_DIR)"}
	m.record(events.LoginRequired, text)
}

// forget is a logout.
func (m *machine) forget(why string) {
	m.record(events.LoggedOut, why)
	m.ended(why, false)
	if m.Ledger.Person != (journal.Person{}) { // as a logout of ours has it (ended)
		m.do(remember{Note: Note{Person: &journal.Person{}}})
	}
	m.logins++
	m.Tokens, m.Served = tokenfile.Token{}, tokenfile.Token{}
	m.Replaces, m.Owed, m.Fallback, m.Trying, m.Doubt = "", "", Fallback{}, "", nil
	m.Phase, m.Problem, m.Retry = LoggedOut, nil, time.Time{}
	m.do(resetPause{})
}

// distrust: a token that failed verification is neither served nor refreshed, and stays
// on disk (R10).
func (m *machine) distrust() {
	known := m.Phase == Unverified
	m.Served = tokenfile.Token{}
	m.Phase, m.Doubt = Unverified, nil
	m.Problem = &Problem{
		Code: protocol.CodeLoginRequired,
		Text: "the issuer's last answer is not trusted (its ID token is for another issuer, client or account, or is not signed), so its token is not served",
		Hint: "log in again: falcred login; if it happens again, something between this machine and the issuer answers in its place",
	}
	if known {
		return
	}
	m.record(events.LoginRequired, m.Problem.Text)
	m.ended(m.Problem.Text, false)
}
