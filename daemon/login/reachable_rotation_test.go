package login

import (
	"errors"
	"time"

	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// begins is what a transaction does first, or all that it does.
func (m *moves) begins() {
	held := m.Tokens.Refresh
	if m.held() {
		then := m.surroundings
		then.hold = leaving
		m.with(then, "deleting the file", Leaving(true))
		then.hold = left
		m.with(then, "consumed by a logout", ConsumedHere{[]string{held}})
	} else {
		m.add("logout of what the file holds", Ended{"by falcred logout"})
		then := m.surroundings
		then.hold = leaving
		m.with(then, "deleting the file", Leaving(true))
	}
	for i, whose := range [][]string{annsNames, bobsNames} { // prove and install (§4): only the account of a living login
		if to := m.unknown(whose); to != "" && (i == 0 || m.in.others) && (!m.held() || m.State.over() || accountOf(to) == accountOf(held)) {
			then := m.surroundings
			then.hold, then.brought = storing, pairOf[kind{to, young}]
			m.with(then, "about to store "+to, Stepped{From: "spent", To: then.brought, Subject: accountOf(to)})
		}
	}
	if m.rotating {
		if m.got.Refresh == "" {
			m.with(m.over(), "the rotation ends", Rotated{})
		}
		return
	}
	m.add("a rotation that sent nothing", Rotated{})
	m.fails(m.surroundings)
	if sealed := m.unknown(annsNames); sealed != "" && m.in.fallback {
		m.add("swept", FallbackFound{Fallback{sealed, accountOf(sealed)}})
	}
	if !m.held() {
		return
	}
	if m.Ledger.Consumed(held) { // what came for it lies beside the file, or another daemon has it: neither is it sent nor put back
		return
	}
	then := m.surroundings
	then.hold = restoring
	m.with(then, "about to restore", nil)
	then = m.surroundings
	if to := m.successor(); to != "" && m.Phase != Missing {
		then.hold, then.brought = settling, pairOf[kind{to, young}]
		m.with(then, "found an answer", Stepped{From: held, To: then.brought})
	}
	then = m.surroundings
	then.rotating, then.about, then.sent, then.inFile = true, held, held, held
	switch {
	case m.Replaces != "" || !m.mayTry(noon):
		return
	case m.Phase == Missing:
		then.inFile = ""
	case m.State.over():
		return
	case m.Dead == held:
		then.hold = refused
		m.with(then, "refused before", Refused{held})
		return
	}
	then.hold = sending
	m.with(then, "sent "+held, nil)
}

// successor is the name of what an issuer gives next for what is held or sent.
func (m *moves) successor() string {
	of := m.sent
	if of == "" {
		of = m.Tokens.Refresh
	}
	if accountOf(of) == "bob" {
		return m.unknown(bobsNames)
	}
	return m.unknown(annsNames)
}

// fails are the ends of a transaction that did not come to it.
func (m *moves) fails(then surroundings) {
	about := m.Tokens.Refresh
	if m.about != "" {
		about = m.about
	}
	fail := func(name string, f *failure, about *string) {
		own := *f
		own.about = about
		m.with(then, name, Failed{own, time.Second})
	}
	fail("no lock", unavailable("no lock", "see who holds it: falcred doctor"), nil)
	file := unavailable("not refreshed: the token file cannot be used", "")
	file.file = true
	fail("the file cannot be used", file, &about)
	fail("the file has changed", errChanged, &about)
	if m.hold == free && (!m.held() || m.Ledger.Consumed(about)) {
		fail("an old copy in the file, and nothing else", loginEnded("used up already"), &about)
	}
	if m.hold == free && m.Phase == Missing && m.Ledger.Consumed(about) {
		fail("another daemon has used it up", deleted("used up by another falcred"), &about)
	}
}

// answers are the issuer's to what was sent.
func (m *moves) answers() {
	then := m.surroundings
	then.hold = granted
	if to := m.successor(); to != "" {
		for _, g := range []struct {
			name            string
			k               kind
			recorded, wrong bool
		}{
			{"granted", kind{to, young}, true, false}, {"granted, not recorded", kind{to, young}, false, false},
			{"granted, with a wrong ID token", kind{to, young}, true, true}, {"granted an opaque one", kind{to, opaque}, true, false},
			{"granted no access token", kind{to, oneLine}, true, false}, {"granted, not rotated", kind{m.sent, young}, true, false},
		} {
			if g.name != "granted" && !g.wrong && g.recorded && !m.in.grants {
				continue
			}
			then.got, then.wrong = pairOf[g.k], g.wrong
			after := then
			if !g.recorded {
				after.hold = free
			}
			m.with(after, g.name, Granted{From: m.sent, Reply: issuer.Reply{Tokens: then.got}, InFile: m.inFile, Recorded: g.recorded, Wrong: g.wrong})
		}
	}
	then = m.surroundings
	then.hold = refused
	m.with(then, "refused", Refused{m.sent})
	m.back("network error", func() failure {
		f := unavailable("no network", httpx.PassesHint)
		f.unheard = true
		return *f
	}())
	hourly := unavailable("an odd error", LoginHint)
	hourly.after = time.Hour
	hourly.heard = true
	m.back("another OAuth error", *hourly)
}

// back is a rotation that fails: a fallback that was tried is given back first.
func (m *moves) back(name string, f failure) {
	if m.surroundings.fallback.Refresh != "" {
		then := m.surroundings
		then.fallback = Fallback{}
		m.with(then, name+": the fallback given back", FallbackKept{m.surroundings.fallback})
		return
	}
	f.about = &m.about
	m.with(m.over(), name, Failed{f, time.Second})
}

// afterRefusal is R8: the file again, then the fallback, then the end.
func (m *moves) afterRefusal() {
	m.with(m.over(), "somebody was faster", Rotated{})
	gone := *deleted("the token file was deleted, and the issuer no longer knows the login")
	gone.about = &m.about
	m.with(m.over(), "refused, and the file is gone", Failed{gone, 0})
	f, usable := m.State.Fallback, m.State.Fallback.Refresh != m.sent && m.Tokens.Subject != "" && m.State.Fallback.Subject == m.Tokens.Subject && !m.Ledger.Consumed(m.State.Fallback.Refresh)
	if f.Refresh != "" {
		then := m.surroundings
		if then.hold, then.sent, then.fallback = sending, f.Refresh, f; !usable {
			then = m.surroundings
		}
		m.with(then, "the fallback "+f.Refresh, FallbackTaken{f.Refresh})
		return
	}
	m.add("no fallback", FallbackTaken{})
	ended := *loginEnded("the issuer does not accept its refresh token any more")
	ended.about = &m.about
	m.with(m.over(), "refused, and nothing is left", Failed{ended, 0})
}

// placing is what becomes of a grant that is in the journal.
func (m *moves) placing() {
	m.with(m.done(), "committed", Committed{})
	m.with(m.done(), "not committed", nil)
	after := m.over()
	after.rotating = true
	m.with(after, "the file was deleted meanwhile", Ended{"the token file was deleted during a refresh"})
	other := Reading{Content: tokenfile.Content{State: tokenfile.Holds, Pair: pairOf[kind{m.unknown(annsNames), young}]}, Held: m.Tokens.TokenPair}
	m.with(after, "another login is in the file", Read{other})
}

// verdicts are those on what a rotation has brought.
func (m *moves) verdicts() {
	then := m.surroundings
	then.rotating, then.sent, then.about, then.inFile, then.got, then.wrong, then.fallback = false, "", "", "", tokenfile.TokenPair{}, false, Fallback{}
	for _, v := range []issuer.Verdict{{}, {Doubt: errors.New("no key")}, {Wrong: errors.New("another account")}, m.verified} {
		if m.wrong && v.Wrong == nil {
			continue
		}
		v.Token.Subject = accountOf(m.got.Refresh)
		m.with(then, "rotated"+said(v), Rotated{Tokens: m.got, Verdict: v, Subject: m.Ledger.SubjectOf(m.got.Refresh), Pause: time.Second})
	}
}

// said is a verdict in words.
func said(v issuer.Verdict) string {
	switch {
	case v.Wrong != nil:
		return ", and it is wrong"
	case v.Doubt != nil:
		return ", in doubt"
	case v.Verified():
		return ", and verified"
	}
	return ""
}

// stored is the end of a store.
func (m *moves) stored() {
	m.with(m.done(), "not stored", nil)
	for _, v := range []issuer.Verdict{{}, {Doubt: errors.New("no key")}} {
		subject := accountOf(m.brought.Refresh)
		m.with(m.done(), "stored"+said(v), Stored{Reply: issuer.Reply{Tokens: m.brought}, Verdict: v, Subject: subject})
	}
}

// commands is `falcred login`, in a machine of its own: the ledger, and then the file. What
// `falcred logout` does is done by a daemon as well.
func (m *moves) commands() {
	ann := pairOf[kind{"ann1", young}]
	m.add("ledger read", LedgerRead{Ledger: m.Ledger})
	m.add("ledger saved", LedgerSaved{Rev: m.ledgerRev, Whole: true})
	if !m.held() {
		m.add("noted before the file is written", Followed{journal.Ledger{}.WithTip(ann, "ann")})
		m.add("the file could not be written", Followed{journal.Ledger{}})
		m.add("kept", Kept{ann})
	}
	m.add("what was erased", Noted{Note{Erased: &journal.Erased{}}})
}
