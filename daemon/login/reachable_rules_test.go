package login

import (
	"fmt"
	"slices"
	"time"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

// judgement holds one transition against the rules of DESIGN.md. Each complaint begins with the
// rule's name; nothing here is taken from how the machine does it.
type judgement struct {
	before  place
	e       Event
	after   State
	actions []Action
	found   []string
}

// faults are the rules that a transition breaks.
func faults(p place, m move, after State, actions []Action) []string {
	j := &judgement{before: p, e: m.event, after: after, actions: actions}
	j.phase()
	j.served()
	j.told()
	j.clock()
	j.loggedOut()
	j.missing()
	j.consumed()
	j.outage()
	j.grants()
	if r, ok := m.event.(Read); ok && r.Held == p.Tokens.TokenPair {
		j.reading(r)
	}
	return j.found
}

func (j *judgement) unless(ok bool, rule, text string, args ...any) {
	if !ok {
		j.found = append(j.found, rule+": "+fmt.Sprintf(text, args...))
	}
}

// does says whether an action of that kind follows.
func does[A Action](j *judgement) bool {
	return slices.ContainsFunc(j.actions, func(a Action) bool { _, ok := a.(A); return ok })
}

func (j *judgement) records(kinds ...string) bool {
	return slices.ContainsFunc(j.actions, func(a Action) bool {
		r, ok := a.(recorded)
		return ok && slices.Contains(kinds, r.Event.Event)
	})
}

// phase: a phase and what is held agree, and so does what is said of it.
func (j *judgement) phase() {
	s := &j.after
	switch s.Phase {
	case LoggedOut, Foreign:
		j.unless(!s.held(), "phase and tokens", "%s, and tokens are held", phases[s.Phase])
	case Active, Missing, Unverified:
		j.unless(s.held(), "phase and tokens", "%s, and no tokens are held", phases[s.Phase])
	}
	code := protocol.Code("")
	if r := s.refusal(); r != nil {
		code = r.Code
	}
	file := s.FileProblem != nil // what is wrong with the file is said first where there is no other
	switch s.Phase {
	case Rejected, Unverified, Foreign:
		j.unless(code == protocol.CodeLoginRequired, "what is told: login_required", "%s, and clients are told %q", phases[s.Phase], code)
	case Missing:
		j.unless(code == protocol.CodeUnavailable, "what is told: unavailable", "Missing, and clients are told %q", code)
	case Active:
		j.unless(code == "" || code == protocol.CodeUnavailable || file && code == protocol.CodeInternal, "what is told: active", "Active, and clients are told %q", code)
	case LoggedOut:
		j.unless(code != protocol.CodeLoginRequired && code != "", "what is told: logged out", "LoggedOut, and clients are told %q", code)
	}
	j.unless(s.problem() == nil || s.problem().Text != "", "what is told: words", "a problem without a word")
}

// served: F3, F7, R10, R13 say when nothing is, R5 and R10 what is not.
func (j *judgement) served() {
	t := j.after.token()
	switch j.after.Phase {
	case LoggedOut, Missing, Unverified, Foreign:
		j.unless(t.Access == "", "F3 F7 R10 R13: nothing is served", "%s", phases[j.after.Phase])
	}
	if j.after.Phase == LoggedOut || j.after.Phase == Foreign || j.after.Phase == Unverified { // status and teams go by it
		j.unless(j.after.Served == tokenfile.Token{}, "R13 R10: nothing is left of what was served", "%s", phases[j.after.Phase])
	}
	j.unless(t.Access == "" || !j.after.Ledger.Distrusts(t.Refresh), "R10: a wrong one is not served", "%s is", t.Refresh)
	if changed := j.after.Served.TokenPair != j.before.Served.TokenPair && t.Access != ""; changed {
		switch j.e.(type) {
		case Read, Rotated, Settled, Stored, Kept:
		default:
			j.unless(false, "R5: served only when it is safe and judged", "%T has another token served", j.e)
		}
	}
	j.unless(kindOfPair[t.TokenPair].name != "foreign", "R13: another issuer's", "it is served")
	if headers, why := j.after.attribution(); why == nil && j.after.Team.Name != "" {
		j.unless(headers != nil && j.after.Team.of == j.after.account(), "§4: a team", "what cannot be attributed is served")
	}
}

// told: the hook hears of each change of state once, and the history of each change of phase.
func (j *judgement) told() {
	was, is := j.before.reported, j.after.Login(noon)
	var heard []string
	for _, a := range j.actions {
		if r, ok := a.(reported); ok && r.State != events.Refreshed {
			heard = append(heard, r.State)
		}
	}
	switch {
	case was == "" || j.before.command:
	case was != is:
		j.unless(slices.Equal(heard, []string{is}), "the hook: each change", "%q became %q, and it heard %q", was, is, heard)
	default:
		j.unless(len(heard) == 0, "the hook: no change", "%q stays, and it heard %q", is, heard)
	}
	if j.before.Phase == j.after.Phase {
		return
	}
	switch j.after.Phase {
	case LoggedOut:
		j.unless(j.records(events.LoggedOut), "the history: a logout", "it is not in it")
	case Rejected, Unverified, Foreign:
		j.unless(j.records(events.LoginRequired), "the history: an end", "%s is not in it", phases[j.after.Phase])
	case Missing:
		j.unless(j.records(events.Vanished) && (j.before.Pinging || does[ping](j)), "F7: the issuer is asked", "it is not")
	}
}

// clock: R2, R4, R7, R8: what is begun when. What the file lacks is put back in any phase that
// holds a login.
func (j *judgement) clock() {
	wait := j.after.untilDue(noon)
	j.unless(wait > 0 && wait <= time.Minute, "R2: a look each minute", "the next is in %v", wait)
	s := &j.before.State
	if does[rotate](j) {
		j.unless(j.after.Retry.Compare(noon) <= 0, "R7: pauses", "a rotation is begun in one")
	}
	tick, ok := j.e.(Tick)
	if !ok {
		return
	}
	begun, paused := does[rotate](j), s.Retry.After(noon)
	restore := s.Replaces != "" || !s.EmptySince.IsZero() && noon.Sub(s.EmptySince) >= 5*time.Second
	old := !s.Tokens.Valid(noon) || !s.Tokens.RefreshAt.After(noon)
	switch s.Phase {
	case LoggedOut, Foreign:
		j.unless(!begun, "R13: nothing of ours is there", "a rotation is begun in %s", phases[s.Phase])
	case Rejected, Unverified:
		j.unless(!begun || restore, "R8 R10: nothing is sent", "a rotation is begun in %s", phases[s.Phase])
	case Missing:
		j.unless(begun == !s.Pinging && !paused || paused, "F7: one refresh decides", "begun: %t, while the issuer is being asked: %t", begun, s.Pinging)
	case Active:
		j.unless(begun || paused || !old && !restore && tick.Unfinished == "" || !s.EmptySince.IsZero(), "R2 R4 R5: what is due is begun", "it is not")
		j.unless(!begun || old || restore || tick.Unfinished != "" || s.Competing == s.Tokens.Refresh, "R2: not before", "a rotation is begun")
	}
}

// loggedOut: F3, F7, R12: what was logged out is held nowhere.
func (j *judgement) loggedOut() {
	s := &j.after
	if s.Phase != LoggedOut {
		return
	}
	j.unless(s.Served == tokenfile.Token{} && s.Replaces == "" && s.Owed == "" && s.Doubt == nil, "F3: a logout is one", "something of it is kept")
	if e, back := j.e.(FallbackKept); j.before.Phase != LoggedOut || back && e.Fallback == j.before.surroundings.fallback {
		j.unless(s.Fallback == Fallback{}, "F3: a logout leaves no fallback", "%s is kept", s.Fallback.Refresh)
	}
	if j.before.Phase != LoggedOut {
		j.unless(s.Problem == nil && s.Retry.IsZero(), "R7: a logout ends the pause", "it does not")
	}
}

// missing: F7: whose word it is that ends that state.
func (j *judgement) missing() {
	if j.before.Phase != Missing || j.after.Phase == Missing {
		return
	}
	ok := false
	switch e := j.e.(type) {
	case Read: // the file is back
		ok = e.State == tokenfile.Holds && (j.after.Phase != LoggedOut || j.copied(e))
	case Pinged:
		ok = e.Err == nil && j.after.Phase == LoggedOut && (j.before.Problem == nil || !j.before.Problem.unheard)
	case Failed:
		ok = e.gone || e.ended
	case Committed, Settled, Stored, Ended:
		ok = true
	case Rotated, LedgerRead:
		ok = j.after.Phase == Unverified
	}
	j.unless(ok, "F7: who ends it", "%T has made it %s", j.e, phases[j.after.Phase])
}

// consumed: F5: what was used up is neither adopted nor the fallback.
func (j *judgement) consumed() {
	held, fallback := j.after.Tokens.Refresh, j.after.Fallback.Refresh
	if held != "" && held != j.before.Tokens.Refresh {
		r, read := j.e.(Read)
		g, given := j.e.(Granted) // by an issuer that does not rotate, after somebody's other login was taken for its successor
		j.unless(given && g.From == held || !j.before.Ledger.Consumed(held) && !(read && r.Used), "F5: consumed is consumed", "%s is adopted", held)
	}
	if fallback != "" && fallback != j.before.Fallback.Refresh {
		j.unless(!j.after.Ledger.Consumed(fallback), "F5: a fallback is unused", "%s is kept", fallback)
		j.unless(!j.after.Ledger.Distrusts(fallback), "R10: no fallback that is wrong", "%s is kept", fallback)
		j.unless(j.after.Fallback.Subject == "" || j.after.Fallback.Subject == accountOf(fallback), "F5: whose the fallback is", "%s is said to be %s's", fallback, j.after.Fallback.Subject)
	}
}

// copied says that the file whose login had vanished holds a copy of it, and that another falcred has ended
// that, or used it up.
func (j *judgement) copied(e Read) bool {
	return j.before.Phase == Missing && e.Pair.Refresh == j.before.Tokens.Refresh && (e.Used || j.before.Ledger.Consumed(e.Pair.Refresh))
}

// outage: F3, R9: what is no logout changes nothing that is held or served.
func (j *judgement) outage() {
	quiet := false
	switch e := j.e.(type) {
	case Failed:
		quiet = !e.gone && !e.ended
	case Read:
		quiet = e.State == tokenfile.Empty || e.State == tokenfile.Unusable || e.Used && !j.copied(e) || e.Held != j.before.Tokens.TokenPair
	case Tick, LedgerSaved, FallbackKept, FallbackFound, FallbackTaken, Restored, Refused, Happened, Warned, TeamRead, TeamWanted, TeamsAnswered, Leaving, Retried:
		quiet = true
	case Pinged:
		quiet = e.Err != nil
	}
	if quiet {
		j.unless(j.after.Tokens == j.before.Tokens && j.after.Served == j.before.Served && j.after.Phase == j.before.Phase,
			"R9 F3: no logout", "%T has changed the login", j.e)
	}
}

// grants: R5, R10: what is granted is on the disk before it is served, and judged.
func (j *judgement) grants() {
	s := &j.after
	switch e := j.e.(type) {
	case Granted:
		j.unless(s.Tokens.TokenPair == e.Reply.Tokens, "R6: what is granted is held", "it is not")
		j.unless(e.From == e.Reply.Tokens.Refresh || s.Ledger.Consumed(e.From), "F5: what was sent is consumed", "%s is not", e.From)
		j.unless((s.Owed == e.From) == !e.Recorded, "R4: what the next start has to send", "recorded: %t, owed: %q", e.Recorded, s.Owed)
		j.unless(!e.Wrong || s.Ledger.Distrusts(e.Reply.Tokens.Refresh), "R10: wrong is written down at once", "it is not")
	case Rotated:
		if e.Tokens.Refresh == "" || e.Tokens != j.before.Tokens.TokenPair || j.before.Phase == Unverified {
			return
		}
		j.unless((s.Phase == Unverified) == (e.Verdict.Wrong != nil), "R10: the verdict decides", "wrong: %t, %s", e.Verdict.Wrong != nil, phases[s.Phase])
		j.unless(e.Verdict.Wrong != nil || s.Served.TokenPair == e.Tokens, "R5: what was granted is served", "it is not")
		learned := s.Ledger.Subject != j.before.Ledger.Subject
		for _, a := range j.actions {
			if r, ok := a.(remember); ok && r.Subject != nil {
				learned = true
			}
		}
		j.unless(!learned || e.Verdict.Doubt == nil, "R10: in doubt nothing is learned", "whose it is")
		j.unless(s.Replaces == "" || e.Verdict.Wrong != nil || s.Problem != nil && s.Retry.After(noon), "R5: tried again until it is on disk", "it is not said, or not tried")
	case Committed:
		j.unless(s.Replaces == "", "R5: what is in the file is in it", "it is to be replaced")
	}
}

// reading: F3, F5, F7, R13: what the file says.
func (j *judgement) reading(e Read) {
	s, b := &j.after, &j.before.State
	if e.State == tokenfile.Absent {
		j.unless(s.token().Access == "" || b.Leaving, "F3: a deleted file ends the serving", "it does not")
		j.unless(s.Phase != Active || b.Leaving, "F7: a deleted file is a question", "the phase stays")
		return
	}
	k, known := kindOfPair[e.Pair]
	if e.State != tokenfile.Holds || !known || e.Used || b.Ledger.Consumed(k.name) && e.Pair != b.Tokens.TokenPair || b.Replaces != "" && b.Replaces == k.name {
		return
	}
	if k.name == "foreign" {
		j.unless(s.Phase == Foreign && !s.held(), "R13: another issuer's", "%s", phases[s.Phase])
		return
	}
	living := (b.Phase == Active || b.Phase == Missing) && b.Dead != b.Tokens.Refresh
	held := kindOfPair[b.Tokens.TokenPair]
	copied := k.access < opaque && held.access < opaque && held.name != "" && accountOf(k.name) == accountOf(held.name) && k.access > held.access && k.name != held.name
	if living && copied && !e.Known.IsTip(k.name) {
		j.unless(s.Tokens == b.Tokens, "F5 (b): an old copy", "it is adopted over a living login")
		return
	}
	j.unless(s.Tokens.TokenPair == e.Pair, "F3 F5 (d): a login in the file wins", "%v is not adopted over %v, %s", k, held, phases[b.Phase])
	if s.Tokens.TokenPair != e.Pair || k.name == held.name {
		return
	}
	wrong := b.Ledger.Distrusts(k.name)
	j.unless(s.Phase == Active && s.Served.TokenPair == e.Pair || wrong && s.Phase == Unverified, "R8: a new login ends it", "%s", phases[s.Phase])
	j.unless(wrong || s.Problem == nil && s.Retry.IsZero(), "R7: a new login ends the pause", "it does not")
	j.unless(s.Doubt == nil, "R10: a doubt is about one login", "another's is kept")
	j.unless(wrong || s.Tokens.Fresh(noon) || does[rotate](j), "R2: what has run out is refreshed at once", "it is not")
	if living && !b.Ledger.Consumed(held.name) && held.name != "" && !s.Ledger.Consumed(held.name) && !s.Ledger.Distrusts(held.name) {
		j.unless(s.Fallback.Refresh != "", "F5 (d): the one held becomes the fallback", "there is none")
	}
}
