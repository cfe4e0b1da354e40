package login

import (
	"errors"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// move is what can happen next: an event, or nil where only time passes or something is begun.
type move struct {
	name  string
	event Event
	then  surroundings
	place *place // where it begins, if that is another than the place itself
}

// moves collects them for a place.
type moves struct {
	*place
	in       scope
	verified issuer.Verdict
	all      []move
}

func (m *moves) add(name string, e Event) { m.with(m.surroundings, name, e) }

func (m *moves) with(then surroundings, name string, e Event) {
	m.all = append(m.all, move{name: name, event: e, then: then})
}

// movesAt are all that the surroundings can bring about at a place, by what is possible at all:
// the file holds what anybody writes, at any time, but nobody's tokens that were never granted;
// what needs the lock comes one after the other; an answer comes to what was asked.
func movesAt(p *place, in scope, verified issuer.Verdict) []move {
	m := &moves{place: p, in: in, verified: verified}
	if p.command {
		m.commands()
		return m.all
	}
	judged := p.rotating && p.got.Refresh != "" && p.hold != granted // outside of the lock
	switch {
	case p.hold == free && !judged || in.between:
		m.time()
		m.readings()
		m.aside()
		m.ledger()
	case in.meets:
		m.meets()
	}
	switch p.hold {
	case free:
		if !judged || in.between {
			m.begins()
		}
	case sending:
		m.answers()
	case refused:
		m.afterRefusal()
	case granted:
		m.placing()
	case settling:
		m.with(m.done(), "settled", Settled{m.brought})
		m.fails(m.done())
	case restoring:
		m.with(m.done(), "restored", Restored{"why"})
		m.fails(m.done())
	case storing:
		m.stored()
	case leaving:
		m.with(m.done(), "could not delete", Leaving(false))
		then := m.surroundings
		then.hold = left
		m.with(then, "consumed by the logout", ConsumedHere{[]string{m.Tokens.Refresh}})
	case left:
		m.with(m.done(), "logout", Ended{"by falcred logout"})
	}
	if judged {
		m.verdicts()
	}
	return m.all
}

// done are the surroundings once the lock is given back. A rotation that has brought
// something is still judged.
func (m *moves) done() surroundings {
	s := surroundings{verifying: m.verifying}
	if m.rotating && m.got.Refresh != "" {
		s = m.surroundings
		s.hold, s.brought = free, tokenfile.TokenPair{}
	}
	return s
}

// over are the surroundings once the rotation has come to its end without a grant.
func (m *moves) over() surroundings { return surroundings{verifying: m.verifying} }

func (m *moves) time() {
	for _, d := range []struct {
		name string
		time.Duration
	}{{"10 s pass", 10 * time.Second}, {"2 min pass", 2 * time.Minute}, {"80 min pass", 80 * time.Minute}} {
		after := m.older(d.Duration)
		m.all = append(m.all, move{name: d.name, then: after.surroundings, place: &after})
	}
}

func (m *moves) read(name string, r Reading) {
	r.Held = m.Tokens.TokenPair
	m.add("read: "+name, Read{r})
}

// holds is a reading of a file that holds a pair, with what falcred.consumed says of another
// than the one held, or of that, where its file had vanished.
func (m *moves) holds(k kind) Reading {
	r := Reading{Content: tokenfile.Content{State: tokenfile.Holds, Pair: pairOf[k]}}
	r.Used = (k.name != m.Tokens.Refresh || m.Phase == Missing) && (k.name == "spent" || k.name == "ancient" || m.Ledger.Consumed(k.name))
	return r
}

// meets are the readings that make another phase of it.
func (m *moves) meets() {
	m.read("gone", Reading{Content: tokenfile.Content{State: tokenfile.Absent}})
	for _, k := range []kind{{m.Tokens.Refresh, young}, {m.unknown(annsNames), young}, {"foreign", young}, {"bad", young}} {
		if k.name != "" {
			m.read(k.String(), m.holds(k))
		}
	}
	if m.Pinging {
		m.add("issuer heard", Pinged{})
	}
}

// readings are those of the token file.
func (m *moves) readings() {
	read, holds := m.read, m.holds
	read("gone", Reading{Content: tokenfile.Content{State: tokenfile.Absent}})
	read("empty", Reading{Content: tokenfile.Content{State: tokenfile.Empty}})
	read("unusable", Reading{Content: tokenfile.Content{State: tokenfile.Unusable, Err: errors.New("it is a folder")}})
	anns, bobs := m.unknown(annsNames), m.unknown(bobsNames)
	for _, name := range append(m.names(), anns, bobs) {
		for a := range accesses {
			if strings.HasPrefix(name, "bob") && !m.in.others {
				continue
			}
			if name == "" || name == bobs && a != young || name != anns && name != m.Tokens.Refresh && a != young || a == opaque {
				continue
			}
			read(kind{name, a}.String(), holds(kind{name, a}))
		}
	}
	for _, k := range []kind{{"spent", young}, {"ancient", young}, {"ancient", oneLine}, {"foreign", young}, {"bad", young}, {"legacy", young}} {
		if (k.name == "bad" || k.name == "legacy") && !m.in.past {
			continue
		}
		read(k.String(), holds(k))
	}
	if anns != "" {
		for _, a := range []access{young, runOut} { // `falcred login`, or another daemon
			r := holds(kind{anns, a})
			r.Known = journal.Ledger{Issuer: here}.WithTip(r.Pair, accountOf(anns))
			read(kind{anns, a}.String()+", noted", Reading{Content: r.Content, Known: r.Known})
		}
	}
	if held := m.Tokens.Access; len(held) > 4 {
		read("cut", Reading{Content: tokenfile.Content{State: tokenfile.Holds, Pair: tokenfile.TokenPair{Refresh: m.Tokens.Refresh, Access: held[:len(held)-4]}}})
	}
	m.add("read: before the login changed", Read{Reading{Held: tokenfile.TokenPair{Refresh: "another"}}})
}

// aside is what comes beside any transaction.
func (m *moves) aside() {
	m.add("tick", Tick{})
	m.add("tick, unfinished", Tick{m.Tokens.Refresh})
	if m.Pinging {
		m.add("issuer heard", Pinged{})
		m.add("issuer not heard", Pinged{testkit.ErrNetDown, time.Second})
	}
	if m.verifying {
		then := m.surroundings
		then.verifying = false
		doubt := issuer.Verdict{Doubt: errors.New("no key")}
		m.with(then, "another doubt's try", Retried{&Doubt{}, doubt})
		if m.Doubt != nil {
			m.with(then, "verified at last", Retried{m.Doubt, m.verified})
			m.with(then, "still in doubt", Retried{m.Doubt, doubt})
		}
	}
	if !m.in.beside {
		return
	}
	m.add("happened", Happened{"started", ""})
	m.add("warned", Warned{Text: "something"})
	named := *m.place
	named.Team, named.Teams = Team{Name: "acme"}, Teams{of: m.account(), Asking: true}
	list := []fal.Account{{Nickname: "acme", UserID: "team_1"}}
	for _, e := range []Event{
		TeamRead{Name: "acme"}, TeamRead{Err: errors.New("it is odd")},
		TeamWanted{}, TeamsAnswered{of: m.account(), List: list}, TeamsAnswered{of: m.account()}, TeamsAnswered{of: m.account(), Err: testkit.ErrNetDown, Pause: time.Second},
	} {
		m.all = append(m.all, move{"about a team", e, m.surroundings, &named})
	}
}

// ledger is what other daemons of the home, and our own writing of falcred.json, bring.
func (m *moves) ledger() {
	if m.unwritten() {
		m.add("ledger saved", LedgerSaved{Rev: m.ledgerRev, Whole: m.Owed == ""})
	}
	m.add("ledger not saved", LedgerSaved{Rev: m.ledgerRev, Err: errors.New("full")})
	held := m.Tokens.Refresh
	m.add("learned whose it is", Noted{Note{Refresh: held, Subject: new(accountOf(held))}})
	m.add("doubt over", Noted{Note{Refresh: held, Doubt: &journal.Doubted{}}})
	if m.Phase == Unverified {
		m.add("wrong, once more", Noted{Note{Wrong: m.Tokens.TokenPair}})
	}
	if m.hold != free {
		return
	}
	m.add("ledger read", LedgerRead{Ledger: m.Ledger})
	m.add("ledger lost", LedgerRead{Ledger: journal.Ledger{Issuer: here}, Lost: true})
	m.add("ledger unreadable", LedgerRead{Err: errors.New("damaged")})
	if next := m.unknown(annsNames); m.held() && next != "" && m.in.tips {
		m.add("another daemon has refreshed", LedgerRead{Ledger: m.Ledger.Step(held, pairOf[kind{next, young}])})
		m.add("another daemon distrusts it", LedgerRead{Ledger: m.Ledger.Distrust(m.Tokens.TokenPair)})
	}
	if offered := m.unknown(annsNames); offered != "" && m.in.tips {
		m.add("consumed by a store", ConsumedHere{[]string{offered}})
	}
}
