package login

import (
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/tokenfile"
)

// S9: a daemon makes way for another one where that finds on the disk all that this one knows.
func TestAtRest_S9(t *testing.T) {
	held := func(refresh string) (tk tokenfile.Token) {
		tk.Refresh = refresh
		return tk
	}
	for name, c := range map[string]struct {
		snapshot Snapshot
		rests    bool
	}{
		"no login":                         {Snapshot{}, true},
		"a login":                          {Snapshot{State: State{Phase: Active, Tokens: held("a"), Fallback: Fallback{Refresh: "a"}}}, true},
		"the login is over":                {Snapshot{State: State{Phase: Rejected, Tokens: held("a"), Dead: "a"}}, true},
		"the issuer cannot be reached":     {Snapshot{State: State{Phase: Active, Tokens: held("a"), Problem: &Problem{}, Retry: time.Now().Add(time.Hour)}}, true},
		"a rotation is under way":          {Snapshot{State: State{Phase: Active, Tokens: held("a")}, rotating: true}, false},
		"the file is to get the tokens":    {Snapshot{State: State{Phase: Active, Tokens: held("a"), Replaces: "b"}}, false},
		"a successor is in memory only":    {Snapshot{State: State{Phase: Active, Tokens: held("a"), Owed: "b"}}, false},
		"a rotation has just been granted": {Snapshot{State: State{Phase: Active, Tokens: held("a"), Committing: true}}, false},
		"a fallback of an adopted login":   {Snapshot{State: State{Phase: Active, Tokens: held("a"), Fallback: Fallback{Refresh: "b"}}}, false},
		"a fallback is being tried":        {Snapshot{State: State{Phase: Active, Tokens: held("a"), Trying: "b"}}, false},
		"the file has vanished":            {Snapshot{State: State{Phase: Missing, Tokens: held("a")}}, false},
		"the file is empty":                {Snapshot{State: State{Phase: Active, Tokens: held("a"), EmptySince: time.Now()}}, false},
		"the issuer is asked for a sign":   {Snapshot{State: State{Phase: Missing, Tokens: held("a"), Pinging: true}}, false},
		"a logout is under way":            {Snapshot{State: State{Phase: Active, Tokens: held("a"), Leaving: true}}, false},
		"the team's number is being asked": {Snapshot{State: State{Phase: Active, Tokens: held("a"), Teams: Teams{Asking: true}}}, false},
	} {
		m := &Manager{}
		m.snapshot.Store(&c.snapshot)
		if m.AtRest() != c.rests {
			t.Errorf("%s: at rest: %v", name, !c.rests)
		}
		m.queue.inside = true
		if m.AtRest() {
			t.Errorf("%s, and a store: at rest", name)
		}
	}
}
