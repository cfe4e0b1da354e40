package login

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

// noon is when everything in these tables happens.
var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

const here = "https://id.example.com/"

// tokens are a pair whose access token was issued age ago and lives for two hours.
func tokens(refresh, sub, iss string, age time.Duration) tokenfile.TokenPair {
	at := noon.Add(-age)
	claims := fmt.Sprintf(`{"iss":%q,"sub":%q,"iat":%d,"exp":%d}`, iss, sub, at.Unix(), at.Add(2*time.Hour).Unix())
	return tokenfile.TokenPair{Refresh: refresh, Access: "h." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".s"}
}

var (
	anns    = tokens("held", "ann", here, 10*time.Minute)
	due     = tokens("held", "ann", here, 90*time.Minute)
	newer   = tokens("newer", "ann", here, time.Minute)
	stale   = tokens("newer", "bob", here, 3*time.Hour)
	bobs    = tokens("bobs", "bob", here, time.Minute)
	theirs  = tokens("theirs", "ann", "https://elsewhere.example.com/", time.Minute)
	oldCopy = tokens("older", "ann", here, time.Hour)
	cut     = tokenfile.TokenPair{Refresh: "held", Access: anns.Access[:len(anns.Access)-4]}
	twoDots = tokenfile.TokenPair{Refresh: "granted", Access: tokens("granted", "ann", here, 0).Access}
)

// in is a state of that phase, in which ann's tokens are held where any are.
func in(phase Phase, change ...func(*State)) State {
	s := State{Phase: phase, reported: protocol.StateLoggedIn, Ledger: journal.Ledger{Issuer: here}}
	switch phase {
	case Active, Missing, Rejected, Unverified:
		s.Tokens = tokenfile.Dated(anns, noon)
		s.Served = s.Tokens
	}
	switch phase {
	case Missing:
		s.refused = true
	case Rejected:
		s.Problem = &Problem{Code: protocol.CodeLoginRequired, Text: "rejected"}
	case Unverified:
		s.Served = tokenfile.Token{}
		s.refused = true
		s.Problem = &Problem{Code: protocol.CodeLoginRequired, Text: "unverified"}
	case Foreign:
		s.refused = true
		s.Problem = &Problem{Code: protocol.CodeLoginRequired, Text: "another issuer"}
	}
	s.reported = s.Login(noon)
	for _, c := range change {
		c(&s)
	}
	return s
}

// fileHolds is a reading of the token file against a state.
func fileHolds(s State, p tokenfile.TokenPair) Reading {
	return Reading{Content: tokenfile.Content{State: tokenfile.Holds, Pair: p}, Held: s.Tokens.TokenPair, Rev: s.fileRev}
}

func fileIs(s State, state tokenfile.State) Reading {
	r := Reading{Content: tokenfile.Content{State: state}, Held: s.Tokens.TokenPair, Rev: s.fileRev}
	if state == tokenfile.Unusable {
		r.Err = errors.New("it is a folder")
	}
	return r
}

// column is one kind of event, made for a state.
type column struct {
	name string
	make func(s State) Event
}

var columns = []column{
	{"same", func(s State) Event { return Read{fileHolds(s, s.Tokens.TokenPair)} }},
	{"new tokens", func(s State) Event { return Read{fileHolds(s, newer)} }},
	{"new, run out", func(s State) Event { return Read{fileHolds(s, stale)} }},
	{"consumed", func(s State) Event { r := fileHolds(s, oldCopy); r.Used = true; return Read{r} }},
	{"other issuer", func(s State) Event { return Read{fileHolds(s, theirs)} }},
	{"gone", func(s State) Event { return Read{fileIs(s, tokenfile.Absent)} }},
	{"empty", func(s State) Event { return Read{fileIs(s, tokenfile.Empty)} }},
	{"unusable", func(s State) Event { return Read{fileIs(s, tokenfile.Unusable)} }},
	{"issuer heard", func(State) Event { return Pinged{} }},
	{"not heard", func(State) Event { return Pinged{testkit.ErrNetDown, time.Second} }},
	{"network error", func(State) Event {
		return Failed{failure: *unavailable("no network", httpx.PassesHint), Pause: time.Second}
	}},
	{"invalid_grant", func(State) Event { return Failed{failure: *loginEnded("ended")} }},
	{"logout", func(State) Event { return Ended{"falcred logout"} }},
}

// what is an action by its name, "" for those that the tables leave out.
func what(a Action) string {
	switch a := a.(type) {
	case rotate:
		return "rotate"
	case ping:
		return "ping"
	case remember:
		return "remember"
	case recorded:
		return a.Event.Event
	case reported:
		return "hook " + a.State
	}
	return ""
}

var phases = []string{"LoggedOut", "Active", "Missing", "Rejected", "Unverified", "Foreign"}

// The machine of the login, each phase with each event: what the phase becomes, and what
// is done. F3, F5, F7, R8, R9, R10, R13.
func TestNext(t *testing.T) {
	const table = `
from       | same            | new tokens                                   | new, run out                                         | consumed                  | other issuer                                        | gone                                        | empty          | unusable   | issuer heard                          | not heard | network error            | invalid_grant                                        | logout
LoggedOut  | -               | Active logged_in hook logged_in              | Active logged_in rotate hook logged_in               | LoggedOut rotate          | Foreign login_required refused hook login_required | -                                           | LoggedOut      | LoggedOut refused | -                                     | -         | LoggedOut unavailable refused | Rejected login_required refused hook login_required | LoggedOut logged_out
Active     | Active          | Active remember adopted                      | Active adopted rotate                                | Active rotate             | Foreign login_required refused hook login_required | Missing vanished ping hook unavailable      | Active         | Active     | Active                                | Active    | Active unavailable       | Rejected login_required remember hook login_required | LoggedOut logged_out hook logged_out
Missing    | Active adopted served hook logged_in | Active remember adopted served hook logged_in | Active adopted rotate hook logged_in            | Missing rotate            | Foreign login_required hook login_required          | Missing                                     | Missing        | Missing    | LoggedOut logged_out hook logged_out  | Missing   | Missing unavailable      | Rejected login_required remember served hook login_required | LoggedOut logged_out hook logged_out
Rejected   | Rejected        | Active remember adopted hook logged_in       | Active adopted rotate hook logged_in                 | Rejected rotate           | Foreign login_required refused | LoggedOut logged_out hook logged_out        | Rejected       | Rejected   | Rejected                              | Rejected  | Rejected                 | Rejected login_required                              | LoggedOut logged_out hook logged_out
Unverified | Unverified      | Active remember adopted served hook logged_in | Active adopted rotate hook logged_in                 | Unverified rotate         | Foreign login_required                              | LoggedOut logged_out hook logged_out        | Unverified     | Unverified | Unverified                            | Unverified | Unverified              | Unverified login_required                            | LoggedOut logged_out hook logged_out
Foreign    | -               | Active logged_in served hook logged_in | Active logged_in rotate hook logged_in               | Foreign rotate            | Foreign login_required                              | LoggedOut logged_out hook logged_out        | Foreign        | Foreign    | Foreign                               | Foreign   | Foreign                  | Rejected login_required                              | LoggedOut logged_out hook logged_out
`
	rows := strings.Split(strings.TrimSpace(table), "\n")
	names := cells(rows[0])[1:]
	if len(rows) != len(phases)+1 || len(names) != len(columns) {
		t.Fatalf("%d rows and %d columns, for %d phases and %d events", len(rows)-1, len(names), len(phases), len(columns))
	}
	for i, row := range rows[1:] {
		fields := cells(row)
		for j, c := range columns {
			if names[j] != c.name || fields[0] != phases[i] {
				t.Fatalf("the table is out of order at %s, %s", fields[0], names[j])
			}
			if want := fields[j+1]; want != "-" {
				s := in(Phase(i))
				if got := step(s, c.make(s)); got != want {
					t.Errorf("%s, %s: %q, want %q", phases[i], c.name, got, want)
				}
			}
		}
	}
}

func cells(row string) []string {
	fields := strings.Split(row, "|")
	for i := range fields {
		fields[i] = strings.Join(strings.Fields(fields[i]), " ")
	}
	return fields
}

// step is what an event makes of a state, in words.
func step(s State, e Event) string {
	after, actions := next(s, e, noon)
	words := []string{phases[after.Phase]}
	for _, a := range actions {
		if name := what(a); name != "" {
			words = append(words, name)
		}
	}
	return strings.Join(words, " ")
}

// What an action brings about comes from the table of its events alone: next changes no
// state that it was given.
func TestNextChangesNoOtherState(t *testing.T) {
	s := in(Active, func(s *State) {
		s.Warnings = slices.Grow([]string{"one"}, 8)
		s.Ledger = s.Ledger.Consume("a").Consume("b")
		s.Doubt = &Doubt{Retry: noon}
	})
	before := fmt.Sprintf("%+v", s)
	for _, c := range columns {
		next(s, c.make(s), noon)
	}
	next(s, Warned{Text: "two"}, noon)
	next(s, ConsumedHere{[]string{"c"}}, noon)
	next(s, Tick{}, noon)
	if after := fmt.Sprintf("%+v", s); after != before {
		t.Errorf("it was %s\nand is %s", before, after)
	}
}

// What clients get, and whether they may wait, by phase. R9, R10, F7.
func TestWhatIsServed(t *testing.T) {
	for _, c := range []struct {
		name   string
		s      State
		served string
		code   protocol.Code // once that has run out
	}{
		{"logged out", in(LoggedOut), "", protocol.CodeNotFound},
		{"active", in(Active), anns.Access, ""},
		{"active, with a problem", in(Active, func(s *State) { s.Problem = &unavailable("x", "").Problem }), anns.Access, protocol.CodeUnavailable},
		{"missing", in(Missing), "", protocol.CodeUnavailable},
		{"rejected", in(Rejected), anns.Access, protocol.CodeLoginRequired},
		{"unverified", in(Unverified), "", protocol.CodeLoginRequired},
		{"foreign", in(Foreign), "", protocol.CodeLoginRequired},
	} {
		token, refusal := c.s.token(), c.s.refusal()
		if token.Access != c.served || refusal == nil && c.code != "" || refusal != nil && refusal.Code != c.code {
			t.Errorf("%s: %t, %v", c.name, token.Access != "", refusal)
		}
	}
}

// classify is the one place that says what a content means (F3, F5, R5, R13).
func TestClassify(t *testing.T) {
	active := in(Active)
	ahead := in(Active, func(s *State) { s.Tokens, s.Replaces = tokenfile.Dated(twoDots, noon), "held" })
	for _, c := range []struct {
		name string
		s    State
		r    Reading
		want Meaning
	}{
		{"same", active, fileHolds(active, anns), Unchanged},
		{"the same refresh token, another access token", active, fileHolds(active, due), NewTokens},
		{"cut", active, fileHolds(active, cut), Torn},
		{"the first line alone", active, fileHolds(active, tokenfile.TokenPair{Refresh: "held"}), NewTokens},
		{"newer", active, fileHolds(active, newer), NewTokens},
		{"somebody else's", active, fileHolds(active, bobs), NewTokens},
		{"an old copy by its access token", active, fileHolds(active, oldCopy), Consumed},
		{"an old copy of a rejected login", in(Rejected), fileHolds(in(Rejected), oldCopy), NewTokens},
		{"an old copy of a distrusted login", in(Unverified), fileHolds(in(Unverified), oldCopy), NewTokens},
		{"an old copy of a dead login", in(Active, func(s *State) { s.Dead = "held" }), fileHolds(active, oldCopy), NewTokens},
		{"an old copy that falcred noted as the newest", active, func() Reading {
			r := fileHolds(active, oldCopy)
			r.Known = r.Known.WithTip(oldCopy, "ann")
			return r
		}(), NewTokens},
		{"in the ledger of this daemon", in(Active, func(s *State) { s.Ledger = s.Ledger.Consume("newer") }), fileHolds(active, newer), Consumed},
		{"in the ledger of another", active, func() Reading { r := fileHolds(active, newer); r.Known = r.Known.Consume("newer"); return r }(), Consumed},
		{"in falcred.consumed", active, func() Reading { r := fileHolds(active, newer); r.Used = true; return r }(), Consumed},
		{"another issuer's", active, fileHolds(active, theirs), OtherIssuer},
		{"another issuer's, consumed", active, func() Reading { r := fileHolds(active, theirs); r.Used = true; return r }(), Consumed},
		{"what ours is to replace", ahead, fileHolds(ahead, anns), Behind},
		{"another than what ours is to replace", ahead, fileHolds(ahead, bobs), NewTokens},
		{"ours, in its place", ahead, fileHolds(ahead, twoDots), Unchanged},
		{"gone", active, fileIs(active, tokenfile.Absent), Gone},
		{"empty", active, fileIs(active, tokenfile.Empty), Empty},
		{"a folder", active, fileIs(active, tokenfile.Unusable), Unusable},
	} {
		if got := classify(c.r, c.s); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// What a rotation brings, by the worth of its ID token. R5, R10.
func TestNextRotated(t *testing.T) {
	granted := in(Active)
	reply := issuer.Reply{Tokens: twoDots}
	granted, _ = next(granted, Granted{From: "held", Reply: reply, InFile: "held", Recorded: true}, noon)
	if granted.Served.Access != anns.Access || granted.Tokens.Refresh != "granted" || granted.Replaces != "held" || !granted.Ledger.Consumed("held") {
		t.Fatal("before it is in the file the old one is served, and the new one held")
	}
	placed, _ := next(granted, Committed{}, noon)
	for _, c := range []struct {
		name   string
		s      State
		e      Rotated
		want   string
		served string
	}{
		{"no ID token", placed, Rotated{Tokens: twoDots}, "Active remember", twoDots.Access},
		{"wrong", placed, Rotated{Tokens: twoDots, Verdict: issuer.Verdict{Wrong: errors.New("another account")}}, "Unverified login_required remember refused hook login_required", ""},
		{"in doubt", placed, Rotated{Tokens: twoDots, Verdict: issuer.Verdict{Doubt: errors.New("no key")}}, "Active remember", twoDots.Access},
		{"another was adopted since", in(Active), Rotated{Tokens: twoDots}, "Active", anns.Access},
		{"nothing was sent", in(Active), Rotated{}, "Active", anns.Access},
	} {
		after, _ := next(c.s, c.e, noon)
		if got := step(c.s, c.e); got != c.want || after.Served.Access != c.served {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	unsaved, _ := next(granted, Rotated{Tokens: twoDots, Pause: time.Minute}, noon)
	if unsaved.Problem == nil || unsaved.Served.Access != twoDots.Access || !unsaved.Retry.Equal(noon.Add(time.Minute)) {
		t.Error("what could not be put in place is served, said and tried again (R5)")
	}
}

// F5: the fallback is the newest token that was not used. What a rotation hands out and
// gives back, or finds in the journal, is older than a login that was replaced meanwhile.
func TestFallbackIsTheNewest_F5(t *testing.T) {
	older := Fallback{Refresh: "older", Subject: "ann"}
	s, _ := next(in(Active), FallbackFound{older}, noon)
	s, _ = next(s, FallbackTaken{"older"}, noon)
	if s.Fallback.Refresh != "" {
		t.Error("it is tried once")
	}
	s, _ = next(s, Read{fileHolds(s, bobs)}, noon)
	for _, e := range []Event{FallbackTaken{""}, FallbackTaken{"older"}, FallbackKept{older}, FallbackFound{older}} {
		if s, _ = next(s, e, noon); s.Fallback.Refresh != "held" {
			t.Errorf("after %T it is %q", e, s.Fallback.Refresh)
		}
	}
}

// R8, F5: the account of a fallback is known when another login is the newest that the ledger names.
func TestFallbackHasAnAccount_R8F5(t *testing.T) {
	for _, e := range []Event{
		Stored{Reply: issuer.Reply{Tokens: newer, Asked: noon}}, Settled{newer}, Granted{From: "held", Reply: issuer.Reply{Tokens: newer, Asked: noon}},
	} {
		if s, _ := next(in(Active), e, noon); s.Fallback != (Fallback{"newer", "ann"}) {
			t.Errorf("after %T it is %+v", e, s.Fallback)
		}
	}
}

// F5: what another falcred of the home was given competes with nothing, though the ledger here has
// something to write yet and does not follow.
func TestAnotherFalcredsTokenDoesNotCompete_F5(t *testing.T) {
	for _, noted := range []bool{false, true} {
		s := in(Active, func(s *State) { s.Refreshed, s.Fallback, s.ledgerRev = noon, Fallback{"held", "ann"}, 1 })
		e := Read{fileHolds(s, newer)}
		if noted {
			e.Known = e.Known.WithTip(newer, "ann")
		}
		if s, _ = next(s, e, noon); s.Tokens.Refresh != "newer" || s.competes() == noted {
			t.Errorf("noted %v: %q competes: %v", noted, s.Tokens.Refresh, s.competes())
		}
	}
}

// F5: a `falcred login` of the same account is no neighbour's rotation, though the ledger here has something to
// write yet and does not follow: the login before it may live, and is kept.
func TestLoginOfTheSameAccountIsNoRotation_F5(t *testing.T) {
	for _, noted := range []bool{false, true} {
		s := in(Active, func(s *State) { s.Fallback, s.ledgerRev = Fallback{"held", "ann"}, 1 })
		e := Read{fileHolds(s, newer)}
		if noted {
			e.Known = e.Known.WithTip(newer, "ann")
		}
		if s, _ = next(s, e, noon); s.Ledger.Consumed("held") == noted || (s.Fallback.Refresh == "held") != noted {
			t.Errorf("noted %v: consumed %v, the fallback is %q", noted, s.Ledger.Consumed("held"), s.Fallback.Refresh)
		}
	}
}

// A look that finds what the one before has found is no reason for another: the schedule
// looks again as soon as what it waits for has moved.
func TestLooksComeToRest(t *testing.T) {
	damaged := errors.New("it is damaged")
	configs := map[string]TeamRead{
		"no team": {}, "a team": {Name: "acme"}, "gone": {Empty: true}, "damaged": {Err: damaged},
	}
	for i, phase := range phases {
		for _, c := range columns[:8] {
			for name, config := range configs {
				for _, team := range []string{"", "acme"} {
					s := in(Phase(i), func(s *State) { s.Team.Name = team })
					var before State
					for look := range 10 {
						now := noon.Add(time.Duration(look) * time.Second)
						before = s
						e := c.make(s).(Read)
						e.Held = s.Tokens.TokenPair
						for _, e := range []Event{e, config, Tick{}} {
							s, _ = next(s, e, now)
						}
					}
					if s.moments() != before.moments() {
						t.Errorf("%s, the file: %s, the config: %s, after %q", phase, c.name, name, team)
					}
				}
			}
		}
	}
}

// F7: that refreshes are not heard is not forgotten for a failure before anything was sent.
func TestUnheardUntilHeard_F7(t *testing.T) {
	unheard := Failed{failure: failure{Problem: Problem{Code: protocol.CodeUnavailable, Text: "a gateway answers", unheard: true}}}
	refused := Failed{failure: failure{Problem: Problem{Code: protocol.CodeUnavailable, Text: "refused"}, heard: true}}
	busy := Failed{failure: *entryFailure(journal.ErrBusy)}
	for _, c := range []struct {
		events []Event
		want   Phase
	}{
		{[]Event{unheard}, Missing}, {[]Event{unheard, busy}, Missing}, {[]Event{unheard, busy, busy}, Missing},
		{[]Event{busy}, LoggedOut}, {[]Event{unheard, refused}, LoggedOut}, {[]Event{unheard, refused, busy}, LoggedOut},
	} {
		s := in(Active)
		for _, e := range append(c.events, Read{fileIs(s, tokenfile.Absent)}, Pinged{}) {
			s, _ = next(s, e, noon)
		}
		if s.Phase != c.want {
			t.Errorf("%v: %v, want %v", c.events, s.Phase, c.want)
		}
	}
}

// F7: a file that is back because a rotation has put it there was adopted from nobody.
func TestBackByOurselves_F7(t *testing.T) {
	s, _ := next(in(Missing), Granted{From: "held", Reply: issuer.Reply{Tokens: twoDots}, Recorded: true}, noon)
	if got := step(s, Read{fileHolds(s, twoDots)}); got != "Active hook logged_in" {
		t.Errorf("a reading right after the commit: %q", got)
	}
	s, _ = next(s, Rotated{}, noon)
	if got := step(s, Read{fileHolds(s, twoDots)}); got != "Active adopted served hook logged_in" {
		t.Errorf("a reading after a rotation that could not commit: %q", got)
	}
}

// F3, F7: a reading that began before another which counted already, or before the daemon itself changed
// the file, says nothing: it is neither a logout nor a login, and is made anew.
func TestOverlappedReadingSaysNothing_F3F7(t *testing.T) {
	gone := func(s State) Reading { return fileIs(s, tokenfile.Absent) }
	back := func(s State) Reading { return fileHolds(s, anns) }
	granted, _ := next(in(Missing), Granted{From: "held", Reply: issuer.Reply{Tokens: twoDots}, Recorded: true}, noon)
	for name, c := range map[string]struct {
		before State
		change Event
		read   func(State) Reading
	}{
		"gone, and a refresh put it there":       {granted, Committed{}, gone},
		"gone, and it was put back":              {in(Active), Restored{"why"}, gone},
		"held, and a logout took it":             {in(LoggedOut), Ended{"falcred logout"}, back},
		"held, and another reading found it not": {in(Active), Read{gone(in(Active))}, back},
	} {
		s, _ := next(c.before, c.change, noon)
		r := c.read(s)
		r.Rev = c.before.fileRev
		if old, _ := next(s, Read{r}, noon); !old.Outdated || old.Phase != s.Phase {
			t.Errorf("%s: the old reading counts: %v, was %v", name, old.Phase, s.Phase)
		}
		if young, _ := next(s, Read{c.read(s)}, noon); young.Outdated || young.Phase == s.Phase {
			t.Errorf("%s: a reading after it does not count: %v", name, young.Phase)
		}
	}
}

// When there is something to do by the clock. R2, R4, R7, F3, F7.
func TestDue(t *testing.T) {
	for _, c := range []struct {
		name       string
		s          State
		unfinished bool
		want       bool
	}{
		{"fresh", in(Active), false, false},
		{"half of its life is over", in(Active, func(s *State) { s.Tokens = tokenfile.Dated(due, noon) }), false, true},
		{"in a pause", in(Active, func(s *State) { s.Tokens, s.Retry = tokenfile.Dated(due, noon), noon.Add(time.Second) }), false, false},
		{"unfinished", in(Active), true, true},
		{"unfinished, and rejected", in(Rejected), true, false},
		{"rejected", in(Rejected, func(s *State) { s.Tokens = tokenfile.Dated(due, noon) }), false, false},
		{"unverified", in(Unverified, func(s *State) { s.Tokens = tokenfile.Dated(due, noon) }), false, false},
		{"not in the file yet", in(Active, func(s *State) { s.Replaces = "x" }), false, true},
		{"empty for a moment", in(Active, func(s *State) { s.EmptySince = noon.Add(-time.Second) }), false, false},
		{"empty for long", in(Active, func(s *State) { s.EmptySince = noon.Add(-writerDied) }), false, true},
		{"competing", in(Active, func(s *State) { s.Competing = "held" }), false, true},
		{"competing, and given by falcred", in(Active, func(s *State) { s.Competing = "held"; s.Ledger = s.Ledger.WithTip(anns, "ann") }), false, false},
		{"rejected, and its fallback not tried", in(Active, func(s *State) { s.Dead = "held" }), false, true},
		{"missing, and being asked about", in(Missing, func(s *State) { s.Pinging = true }), false, false},
		{"missing", in(Missing), false, true},
		{"logged out", in(LoggedOut), false, false},
		{"foreign", in(Foreign), false, false},
	} {
		if got := c.s.due(c.unfinished, noon); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}
