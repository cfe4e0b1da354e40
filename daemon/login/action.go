package login

import (
	"context"
	"log/slog"
	"os"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/journal"
)

// Action is what follows from a change of state. perform is called with the Manager's
// mutex held: it waits for nothing, and leaves what takes time to a goroutine.
type Action interface{ perform(m *Manager) }

type (
	rotate     struct{ forced string } // forced: an access token that is to be replaced, however fresh it is
	ping       struct{}                // ask whether the issuer can be heard (F7)
	wake       struct{}                // the schedule looks again
	resetPause struct{}                // R7's pause starts from its beginning
	recorded   struct{ events.Event }  // into the history
	reported   struct{ events.Change } // to the hook
	// remember writes the ledger, with a note; verdict: even when the daemon ends (R10).
	remember struct {
		Note
		verdict bool
	}
	rotatedBefore struct{ tip string } // a neighbour used the newest token up while no daemon ran
	verifyAgain   struct{ doubt *Doubt }
	resolveTeam   struct {
		team   journal.Team
		access string
	}
	logged struct {
		level slog.Level
		text  string
		args  []any
	}
)

func (a rotate) perform(m *Manager) { m.start(a.forced) }

func (ping) perform(m *Manager) {
	m.work.Go(func() {
		reachable := m.issuer.Reachable(m.ending.side)
		m.apply(Pinged{reachable, m.pause.next()})
	})
}

func (wake) perform(m *Manager) {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (resetPause) perform(m *Manager) { m.pause.reset() }

func (a recorded) perform(m *Manager) {
	a.PID = os.Getpid()
	m.history.Add(a.Event)
}

func (a reported) perform(m *Manager) { m.hook.Add(a.Change) }

func (a remember) perform(m *Manager) {
	ctx := m.ending.side
	if a.verdict {
		ctx = m.ending.last
	}
	m.work.Go(func() { m.remember(ctx, a.Note) })
}

func (a rotatedBefore) perform(m *Manager) {
	m.work.Go(func() {
		// One whose answer still lies beside the file was in nobody's hands but ours.
		if target, err := m.file.Target(); err != nil || len(journal.Others(target, "")) > 0 {
			return
		}
		m.remember(m.ending.side, Note{Consumed: a.tip})
	})
}

func (a verifyAgain) perform(m *Manager) {
	m.work.Go(func() {
		m.apply(Retried{a.doubt, m.issuer.Verify(m.ending.side, a.doubt.Token, a.doubt.Subject)})
	})
}

func (a logged) perform(m *Manager) { m.log.Log(context.Background(), a.level, a.text, a.args...) }
