package login

import (
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

// hookAgain is after how long the hook is told once more that the login has ended, for as
// long as it has.
const hookAgain = 24 * time.Hour

// next is the whole machine: no I/O, no clock, no lock. It says how the login stands
// after an event, and what is to be done because of it.
func next(s State, e Event, now time.Time) (State, []Action) {
	m := &machine{State: s, now: now}
	m.handle(e)
	if f := m.Fallback.Refresh; m.Ledger.Distrusts(f) || m.Ledger.Consumed(f) { // R10, F5: it is not sent, whoever has found out
		m.Fallback = Fallback{}
	}
	m.attribute()
	m.refuse()
	m.report(e)
	return m.State, m.actions
}

func (m *machine) handle(e Event) {
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
		m.consumed(e)
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
		m.record(events.Rejected, "the issuer says invalid_grant")
	case FallbackTaken, FallbackKept, FallbackFound:
		m.fallback(e)
	case Restored:
		m.restored(e)
	case Settled:
		m.settled(e)
	case Stepped:
		m.step(e)
	case Stored:
		m.stored(e)
	case Kept:
		m.kept(e)
	case Followed:
		m.setLedger(m.Ledger.Follow(e.Ledger))
	case Leaving:
		m.Leaving = bool(e)
	case Ended:
		m.Leaving = false
		m.fileRev++
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
	case TeamWanted:
		m.teamWanted()
	case TeamsAnswered:
		m.teamsAnswered(e)
	}
}

// kept is a login that a person has made here.
func (m *machine) kept(e Kept) {
	m.Tokens, m.Phase = tokenfile.Dated(e.Tokens, m.now), Active
	m.record(events.LoggedIn, "falcred login")
}

func (m *machine) restored(e Restored) {
	m.Replaces, m.Owed, m.EmptySince = "", "", time.Time{}
	m.fileRev++
	m.record(events.Restored, e.Why)
}

func (m *machine) consumed(e ConsumedHere) {
	for _, refresh := range e.Refresh {
		m.setLedger(m.Ledger.Consume(refresh))
	}
}

// fallback changes what is tried where the login held is rejected (F5).
func (m *machine) fallback(e Event) {
	switch e := e.(type) {
	case FallbackTaken:
		if m.Fallback.Refresh == e.Refresh {
			m.Fallback, m.Trying = Fallback{}, e.Refresh
		}
	case FallbackKept:
		if m.Fallback.Refresh == "" && m.Trying == e.Refresh {
			m.Fallback = e.Fallback
		}
		m.Trying = ""
	case FallbackFound:
		if m.Fallback.Refresh == "" {
			m.Fallback = e.Fallback
		}
	}
}

// refuse notes from when on requests for the login are refused, by something else than a logout, and when
// that is over.
func (m *machine) refuse() {
	why := m.refusal()
	refused := why != nil && why != protocol.ErrNotFound && !m.token().Valid(m.now)
	if m.Phase == Missing && m.Pinging { // in a moment it may be a logout, which says all
		return
	}
	switch {
	case refused && !m.refused:
		m.refused = true
		text, _, _ := strings.Cut(why.Message, "\n")
		m.record(events.Refused, text)
	case m.refused && m.token().Valid(m.now) && !m.Committing: // else in a moment, by what was refreshed
		m.refused = false
		m.record(events.Served, "")
	case why == protocol.ErrNotFound: // a logout
		m.refused = false
	}
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
	m.do(reported{events.Change{State: state, Cause: cause, Ended: m.Ledger.Course.Ended}})
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
	if m.owesSaving() {
		m.saveTried = m.now
		m.do(remember{})
	}
	m.term()
}
