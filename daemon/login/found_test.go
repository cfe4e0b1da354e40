package login

import (
	"errors"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

// What TestReachable has found, each by the shortest way to it.

// along is a state after those events, each made for the state before it.
func along(s State, all ...func(s State) Event) State {
	for _, e := range all {
		s, _ = next(s, e(s), noon)
	}
	return s
}

func is(e Event) func(State) Event { return func(State) Event { return e } }

func reads(p tokenfile.TokenPair) func(State) Event {
	return func(s State) Event { return Read{fileHolds(s, p)} }
}

var (
	sentHeld   = is(Granted{From: "held", Reply: issuer.Reply{Tokens: twoDots}, InFile: "held", Recorded: true})
	wrongHeld  = is(Granted{From: "held", Reply: issuer.Reply{Tokens: twoDots}, InFile: "held", Recorded: true, Wrong: true})
	wrongAtEnd = is(Rotated{Tokens: twoDots, Verdict: issuer.Verdict{Wrong: errors.New("another account")}})
)

// R8, R10, R13: while a login is over, clients are told so, and not that it passes: what a
// transaction fails by, which only wanted to put the file right, is no news to them.
func TestWhatIsOverIsSaid_R8(t *testing.T) {
	for _, phase := range []Phase{Rejected, Unverified, Foreign} {
		s := along(in(phase), is(Failed{failure: *unavailable("no lock", ""), Pause: time.Second}))
		if r := s.refusal(); r == nil || r.Code != protocol.CodeLoginRequired || !s.Retry.After(noon) {
			t.Errorf("%s: %v", phases[phase], r)
		}
	}
}

// R10: a token is distrusted from the verdict on, not from when that is on the disk.
func TestWrongAtOnce_R10(t *testing.T) {
	again := tokens(twoDots.Refresh, "ann", here, 5*time.Minute)
	s := along(in(Active), sentHeld, is(Committed{}), wrongAtEnd, reads(again))
	if s.Phase != Unverified || s.token().Access != "" {
		t.Errorf("%s, served: %t", phases[s.Phase], s.token().Access != "")
	}
}

// R10: what another daemon of the home has found wrong is not served here either, and a
// verdict of our own does not bring it back.
func TestWrongForAll_R10(t *testing.T) {
	for _, phase := range []Phase{Active, Missing, Rejected} {
		s := along(in(phase), is(LedgerRead{Ledger: journal.Ledger{Issuer: here}.Distrust(anns)}))
		if s.Phase != Unverified || s.token().Access != "" {
			t.Errorf("%s, served: %t", phases[s.Phase], s.token().Access != "")
		}
		if s = along(s, is(Rotated{Tokens: anns})); s.Phase != Unverified || s.token().Access != "" {
			t.Error("its own verdict has it served")
		}
	}
}

// R10, F5: a wrong token, and one that was used up since, is nobody's fallback: it would be sent.
func TestNoFallbackIsWrong_R10(t *testing.T) {
	for name, s := range map[string]State{
		"found before it was in the file": along(in(Active), wrongHeld, reads(newer)),
		"found at the end":                along(in(Active), sentHeld, is(Committed{}), wrongAtEnd, reads(bobs)),
		"found by another":                along(in(Active), is(FallbackFound{Fallback{"newer", "ann"}}), is(Noted{Note{Wrong: newer}})),
		"given back after its use":        along(in(Active), is(FallbackFound{Fallback{"newer", "ann"}}), is(FallbackTaken{"newer"}), is(ConsumedHere{[]string{"newer"}}), is(FallbackKept{Fallback{"newer", "ann"}})),
	} {
		if f := s.Fallback.Refresh; f == "granted" || f == "newer" {
			t.Errorf("%s: %q", name, f)
		}
	}
}

// F3: a logout ends the fallback that a rotation is trying, too: it does not come back with
// the end of the rotation, to be sent for the next login.
func TestLogoutEndsTheFallback_F3(t *testing.T) {
	fallback := Fallback{"older", "ann"}
	s := along(in(Active), is(FallbackFound{fallback}), is(Refused{"held"}), is(FallbackTaken{"older"}), is(Ended{"falcred logout"}), is(FallbackKept{fallback}))
	if s.Fallback.Refresh != "" {
		t.Error("it is kept")
	}
}

// R13: another issuer's login ends ours although a rotation has just come to its end.
func TestForeignDuringARotation_R13(t *testing.T) {
	s := along(in(Active), reads(theirs), sentHeld)
	if s.Phase != Active || s.refusal() != nil {
		t.Errorf("between the answer and the file: %s, %v", phases[s.Phase], s.refusal())
	}
	after, actions := next(s, Read{fileHolds(s, theirs)}, noon)
	if after.Phase != Foreign || after.held() {
		t.Errorf("%s, held: %t", phases[after.Phase], after.held())
	}
	told := false
	for _, a := range actions {
		told = told || what(a) == events.LoginRequired
	}
	if !told {
		t.Error("the history does not have it")
	}
}

// F5: a login that was put into the file, and which a neighbour has refreshed before we knew
// it, is not what is held.
func TestOvertakenByANeighbour_F5(t *testing.T) {
	for name, e := range map[string]Event{"settled": Settled{newer}, "stored": Stored{Reply: issuer.Reply{Tokens: newer}}} {
		s := along(in(Active), is(ConsumedHere{[]string{"newer"}}), is(e))
		if s.Tokens.Refresh != "held" || s.Fallback.Refresh == "newer" {
			t.Errorf("%s: %q", name, s.Tokens.Refresh)
		}
	}
}
