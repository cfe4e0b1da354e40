package login

import (
	"log/slog"

	"github.com/falcred/falcred/daemon/events"
)

// Action is what follows from a change of state. advance does what takes no time, perform
// the rest.
type Action interface{ action() }

type (
	rotate      struct{}                // unless one is under way
	ping        struct{}                // ask whether the issuer can be heard (F7)
	resetPause  struct{}                // R7's pause starts from its beginning
	resetAsking struct{}                // the same of the questions for teams
	reported    struct{ events.Change } // to the hook and the desktop
	// recorded goes into the log, and into the history, where that has it not already.
	recorded struct {
		events.Event
		known bool
	}
	// remember writes the ledger, with a note; verdict: even when the daemon ends (R10).
	remember struct {
		Note
		verdict bool
	}
	rotatedBefore struct{ tip string } // a neighbour used the newest token up while no daemon ran
	verifyAgain   struct{ doubt *Doubt }
	askTeams      struct { // which teams the login is in
		of     account
		access string
	}
	logged struct {
		level slog.Level
		text  string
		args  []any
	}
)

func (rotate) action()        {}
func (ping) action()          {}
func (resetPause) action()    {}
func (resetAsking) action()   {}
func (recorded) action()      {}
func (reported) action()      {}
func (remember) action()      {}
func (rotatedBefore) action() {}
func (verifyAgain) action()   {}
func (askTeams) action()      {}
func (logged) action()        {}
