package login

import (
	"context"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/testkit"
)

// The pure machine, searched: from the first state each event that its surroundings can bring, from
// each state that comes of it each again, breadth first, until nothing new is found. Each transition
// is held against the rules (reachable_rules_test.go), each phase has to meet each event, and from
// each place a new login in the file has to lead back. What breaks a rule is printed with a shortest
// way to it.

// found is a place of the search, and how it was reached first.
type found struct {
	place
	from  int // its number; -1 for a beginning
	by    string
	depth int
}

// search is breadth first: the first way to a place is a shortest one.
type search struct {
	t        *testing.T
	in       scope
	verified issuer.Verdict
	found    []*found
	numbers  map[form]int
	towards  [][]int32 // who leads here: by a reading, or by ending what is under way
	taken    int
	table    map[string]*[6]int
	broken   map[string]bool
}

// reach is the number of a place, which may be new.
func (s *search) reach(p place, from int, by string) int {
	p = p.canonical(s.in)
	key := p.form()
	n, known := s.numbers[key]
	if known {
		return n
	}
	n = len(s.found)
	depth := 0
	if from >= 0 {
		depth = s.found[from].depth + 1
	}
	s.numbers[key] = n
	s.found = append(s.found, &found{p, from, by, depth})
	s.towards = append(s.towards, nil)
	return n
}

// way is how a place was reached, for people. Names are those of the place before.
func (s *search) way(n int) string {
	var steps []string
	for ; n >= 0; n = s.found[n].from {
		f := s.found[n]
		steps = append(steps, fmt.Sprintf("%-40s %s, held: %v", f.by, phases[f.Phase], kindOfPair[f.Tokens.TokenPair]))
	}
	slices.Reverse(steps)
	return strings.Join(steps, "\n    ")
}

func (s *search) complain(fault string, n int, name string) {
	rule, _, _ := strings.Cut(fault, ": ")
	if !s.broken[rule] {
		s.broken[rule] = true
		s.t.Errorf("%s\n    %s\n    %s", fault, s.way(n), name)
	}
}

func (s *search) walk() {
	for n := 0; n < len(s.found); n++ {
		p := s.found[n].place
		before := p.form()
		for _, m := range movesAt(&p, s.in, s.verified) {
			s.take(n, p, m)
		}
		if p.form() != before {
			s.complain("next changes no state: one that it was given", n, "")
		}
	}
}

func (s *search) take(n int, p place, m move) {
	s.taken++
	if m.place != nil {
		p = *m.place
	}
	after, actions := p.State, []Action(nil)
	if m.event != nil {
		after, actions = next(p.State, m.event, noon)
		kind := strings.TrimPrefix(reflect.TypeOf(m.event).String(), "login.")
		if s.table[kind] == nil {
			s.table[kind] = new([6]int)
		}
		s.table[kind][p.Phase]++
		for _, fault := range faults(p, m, after, actions) {
			s.complain(fault, n, m.name+": "+phases[after.Phase])
		}
	}
	for _, a := range actions {
		if _, ok := a.(verifyAgain); ok {
			m.then.verifying = true
		}
	}
	to := s.reach(place{after, m.then}, n, m.name)
	_, read := m.event.(Read)
	if at := s.towards[to]; (read || p.hold != free || p.rotating) && (len(at) == 0 || at[len(at)-1] != int32(n)) {
		s.towards[to] = append(at, int32(n))
	}
}

// waysBack finds places from which no reading leads to a login that is served.
func (s *search) waysBack() {
	back := make([]bool, len(s.found))
	var todo []int32
	for n, f := range s.found {
		if f.Phase == Active && f.token().Access != "" || f.command {
			back[n] = true
			todo = append(todo, int32(n))
		}
	}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, from := range s.towards[n] {
			if !back[from] {
				back[from] = true
				todo = append(todo, from)
			}
		}
	}
	if n := slices.Index(back, false); n >= 0 {
		s.complain("R8: a new login in the file ends any state: from here nothing does", n, "")
	}
}

// never are the pairs of phase and event that cannot be, and why.
var never = map[string]map[Phase]string{}

func init() {
	const command = "only falcred login says so, to a machine of its own that has read nothing"
	for _, kind := range []string{"Followed", "Kept"} {
		never[kind] = map[Phase]string{Active: command, Missing: command, Rejected: command, Unverified: command, Foreign: command}
	}
	const ended = "only the end of a rotation says that a login is rejected, there is one at a time (R1), and nothing is sent then (R8)"
	for _, kind := range []string{"Granted", "Committed", "Refused", "FallbackTaken", "FallbackKept"} {
		never[kind] = map[Phase]string{Rejected: ended}
	}
}

var notIn = regexp.MustCompile(`[a-z]+:false ?|[{}]`)

// explore searches each scope, and compares what was met with what there is.
func explore(t *testing.T, scopes []scope) {
	verified, table, broken := verifiedVerdict(t), map[string]*[6]int{}, map[string]bool{}
	for _, in := range scopes {
		s := &search{t: t, in: in, verified: verified, numbers: map[form]int{}, table: table, broken: broken}
		s.reach(beginning(false), -1, "a daemon begins")
		s.reach(beginning(true), -1, "a command begins")
		began := time.Now()
		s.walk()
		s.waysBack()
		t.Logf("%s: %d places, %d transitions, depth %d, %v", strings.TrimSpace(notIn.ReplaceAllString(fmt.Sprintf("%+v", in), "")), len(s.found), s.taken, s.found[len(s.found)-1].depth, time.Since(began).Round(time.Millisecond))
	}
	kinds := eventKinds(t)
	t.Logf("%-14s %8s", "", phases)
	for _, kind := range kinds {
		counts := table[kind]
		if counts == nil {
			counts = new([6]int)
		}
		t.Logf("%-14s %8d", kind, *counts)
		for phase, count := range counts {
			switch why := never[kind][Phase(phase)]; {
			case count == 0 && why == "":
				t.Errorf("%s never meets %s", phases[phase], kind)
			case count > 0 && why != "":
				t.Errorf("%s meets %s, and should not: %s", phases[phase], kind, why)
			}
		}
	}
}

func TestReachable(t *testing.T) {
	testkit.InWine(t, "it is about no system, and takes half a minute there")
	explore(t, []scope{
		{pauses: true, beside: true}, {problems: true}, {doubts: true}, {meets: true, fallback: true},
	})
}

// verifiedVerdict is one that only an issuer's key can bring about.
func verifiedVerdict(t *testing.T) issuer.Verdict {
	server := testkit.StartIssuer(t, idp.Config{ClientID: "test-client", Lifetime: time.Hour})
	p := issuer.New(server.URL, "test-client", nil)
	testkit.Must(t, p.Ready(context.Background()))
	refresh, _, _ := server.Login("ann")
	reply := p.Refresh(context.Background(), refresh, issuer.AnswerTimeout)
	v := p.Verify(context.Background(), reply.IDToken, "")
	if !v.Verified() {
		t.Fatal(v.Wrong, v.Doubt, reply.Err)
	}
	return v
}
