package login

import (
	"log/slog"
	"time"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/words"
)

// maxPerMinute is what no login needs: somebody undoes each rotation, and a pause
// keeps that from becoming a storm at the issuer.
const maxPerMinute = 300

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
	if m.held() && m.Phase != Unverified && l.Distrusts(m.Tokens.Refresh) { // another daemon has found out
		m.distrust()
	}
}

func (m *machine) saved(e LedgerSaved) {
	m.saveTried = m.now
	w := Warned{Instead: "falcred.json or falcred.consumed cannot be written: "}
	switch {
	case e.Err != nil:
		m.ledgerRev++ // whatever of it has reached the disk
		w.Text = w.Instead + fsx.Cause(e.Err).Error()
	case e.Whole:
		m.ledgerSaved = e.Rev
	default:
		m.ledgerRev++ // Owed is missing in it
	}
	m.warned(w)
}

// saveAgain is how soon the ledger is written again that could not be: a disk that was full has
// room some day, and the next rotation can be hours away, an old copy of the token file nearer.
const saveAgain = time.Minute

// owesSaving says that nobody else is about to write the ledger.
func (m *machine) owesSaving() bool {
	return m.unwritten() && m.Owed == "" && !m.Committing && m.now.Sub(m.saveTried) >= saveAgain
}

// granted makes the issuer's answer the login that is held. It is served once it is in the
// file and verified (R5, R10).
func (m *machine) granted(e Granted) {
	tokens, skew := tokenfile.DatedReply(e.Reply.Tokens, e.Reply.Lifetime, e.Reply.Asked, m.now)
	if skew != 0 {
		m.warned(Warned{Text: "this machine's clock differs from the issuer's by " + words.Span(skew.Abs().Round(time.Second))})
	}
	l := m.Ledger.Step(e.From, e.Reply.Tokens).MadeBy(e.Reply.Tokens.Refresh, e.Client)
	l.Rotated = m.now.Unix()
	if l.TipLasts = 0; tokenfile.Dated(e.Reply.Tokens, m.now).Expires.IsZero() {
		l.TipLasts = int64(tokens.Expires.Sub(m.now) / time.Second)
	}
	m.Fallback = Fallback{tokens.Refresh, tokens.Subject}
	if e.Wrong { // written down before anybody finds it in the file
		l = l.Distrust(e.Reply.Tokens)
		m.Fallback = Fallback{}
	}
	m.setLedger(l)
	m.Tokens, m.Replaces, m.Committing = tokens, e.InFile, true
	switch m.Phase {
	case Active, Missing:
	default: // whose place this takes: what the file holds decides in a moment
		m.Phase, m.Problem = Active, nil
	}
	if m.Owed = e.From; e.Recorded {
		m.Owed = ""
	}
	m.Refreshed = m.now
	m.Refreshes++
}

func (m *machine) committed() {
	m.Replaces, m.EmptySince, m.Committing = "", time.Time{}, false
	m.fileRev++
	if m.Phase == Missing {
		m.Phase = Active
	}
	m.record(events.Refreshed, "")
	m.do(reported{events.Change{State: events.Refreshed}})
}

// rotated serves what a rotation has brought, by what its ID token is worth (R10).
func (m *machine) rotated(e Rotated) {
	m.Committing = false
	if e.Tokens.Refresh == "" {
		if m.Phase != Missing && m.Tokens.Fresh(m.now) && !m.over() { // what is known of the issuer decides about a deletion (F7)
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
		m.setLedger(m.Ledger.Distrust(e.Tokens)) // before the same token is read again
		m.distrust()
		m.do(remember{Note{Wrong: e.Tokens}, true}) // once more: the rotation may not have been able to write it
		return
	case m.Phase == Unverified: // another daemon has found out
		return
	case e.Verdict.Doubt != nil:
		m.doubt(e.Verdict, e.Subject, e.Keys, true)
	case e.Verdict.Verified():
		m.verified(e.Verdict)
	case !m.inDoubt(): // there was no ID token
		subject := e.Subject
		if subject == "" {
			subject = m.Tokens.Subject
		}
		if m.Ledger.SubjectOf(m.Tokens.Refresh) != subject {
			m.do(remember{Note{Refresh: m.Tokens.Refresh, Subject: &subject}, true})
		}
	}
	m.Served = m.Tokens
	m.recovered()
	m.count()
	if !m.Tokens.Fresh(m.now) || m.inMinute > maxPerMinute { // born old, or undone: with a pause (R7)
		m.Retry = m.now.Add(e.Pause)
	}
	if m.Replaces != "" { // R5: served from memory, retried until it is on disk
		m.Problem = &Problem{Code: protocol.CodeUnavailable, Text: "the new token could not be written to the token file; it is served from memory until it can be", Hint: fsx.DiskHint}
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
	wait := e.after
	if wait == 0 {
		wait = e.Pause
	}
	m.Retry, m.RetryOnChange = m.now.Add(wait), e.onChange
	if !e.ended && (m.over() || m.Phase == Foreign) { // a file that could not be put right: what people have to do stays the same
		m.log(slog.LevelWarn, "the token file could not be put right", "cause", e.Text)
		return
	}
	if m.Problem == nil || m.Problem.Text != e.Text {
		kind := events.Unavailable
		if e.ended {
			kind = events.LoginRequired
		}
		m.record(kind, e.Text)
	}
	problem := e.Problem
	if before := m.Problem; before != nil && before.unheard && !e.heard { // what went wrong before anything was sent says nothing of it
		problem.unheard = true
	}
	m.Problem = &problem
	if e.ended && m.Phase != Unverified {
		before := m.Phase
		if m.Phase = Rejected; before != Rejected && m.ended(e.Text, true) {
			c := m.Ledger.Course
			m.do(remember{Note{Course: &c}, false})
		}
	}
}

func (m *machine) step(e Stepped) {
	l := m.Ledger.Step(e.From, e.To).MadeBy(e.To.Refresh, e.Client)
	if e.Subject != "" {
		l = l.Belongs(e.To.Refresh, e.Subject)
	}
	if e.JustNow {
		l.Rotated = m.now.Unix()
	}
	m.setLedger(l)
}

// settled is a login that an interrupted rotation has brought, and that is in the file now.
func (m *machine) settled(e Settled) {
	m.log(slog.LevelInfo, "finished an interrupted refresh: its answer was on disk")
	if m.Ledger.Consumed(e.Tokens.Refresh) {
		return // a neighbour has used it up since, and what it wrote was adopted
	}
	m.record(m.adopt(e.Tokens, true), "")
	m.Fallback = Fallback{e.Tokens.Refresh, m.Tokens.Subject}
}

func (m *machine) stored(e Stored) {
	if m.Ledger.Consumed(e.Reply.Tokens.Refresh) {
		return // as in settled
	}
	m.adopt(e.Reply.Tokens, true)
	m.record(events.LoggedIn, "store")
	m.Tokens, _ = tokenfile.DatedReply(e.Reply.Tokens, e.Reply.Lifetime, e.Reply.Asked, m.now)
	m.Served, m.Fallback, m.Refreshed = m.Tokens, Fallback{m.Tokens.Refresh, m.Tokens.Subject}, m.now
	if e.Verdict.Doubt != nil {
		m.doubt(e.Verdict, e.Subject, e.Keys, false)
	}
	if p, named := person(e.Verdict); named && p != m.Ledger.Person {
		m.do(remember{Note: Note{Person: &p}})
	}
}

// doubtPauses are those after which an ID token in doubt is tried again (R10). Then each
// rotation brings another, or tries the same.
var doubtPauses = []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute}

func doubtPause(tries int, why error) time.Duration {
	return max(doubtPauses[tries], httpx.Said(why).RetryAfter)
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
func (m *machine) verified(v issuer.Verdict) {
	note, subject, news := Note{Refresh: m.Tokens.Refresh}, v.Subject(), m.inDoubt()
	m.Doubt = nil
	if news {
		m.log(slog.LevelInfo, "the login's ID token is now verified")
		m.Ledger.Doubt, note.Doubt = journal.Doubted{}, &journal.Doubted{}
	}
	if news || m.Ledger.SubjectOf(m.Tokens.Refresh) != subject {
		note.Subject, news = &subject, true
	}
	if p, named := person(v); named && p != m.Ledger.Person {
		note.Person, news = &p, true
	}
	if news {
		m.do(remember{note, true})
	}
}

// person is who an ID token says has its account, which counts where it is verified.
func person(v issuer.Verdict) (p journal.Person, named bool) {
	p = journal.Person{Subject: v.Subject(), Name: v.Token.Name, Email: v.Token.Email}
	return p, p.Subject != "" && p.Name+p.Email != ""
}

func (m *machine) retried(e Retried) {
	switch {
	case m.Doubt != e.Doubt: // a rotation was faster, or another login is here
	case e.Verdict.Verified():
		m.verified(e.Verdict)
	default:
		d := *e.Doubt
		if d.Tries++; d.Tries < len(doubtPauses) {
			d.Retry = m.now.Add(doubtPause(d.Tries, e.Verdict.Doubt))
		}
		m.Doubt = &d
	}
}
