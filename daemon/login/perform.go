package login

import (
	"context"

	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/daemon/journal"
)

// refreshAll runs rotations, one after the other, until Close. They wait for nothing else,
// a log that hangs least of all.
func refreshAll(m *Manager) {
	for {
		forced, open := task.Receive(m.rotations)
		if !open {
			return
		}
		refresh(m, forced)
		m.work.Done()
	}
}

// performAll does what follows from the changes of the login, in their order, until
// Close. It waits for nothing: what takes time has a goroutine of its own, and so has a daemon's log.
func performAll(m *Manager) {
	defer close(m.performed)
	for a := range m.actions.all() {
		perform(m, a)
		m.work.Done()
	}
}

func perform(m *Manager, a Action) {
	switch a := a.(type) {
	case ping:
		m.work.Go(func() {
			err := m.issuer.Ping(m.ending.side)
			m.apply(Pinged{err, max(m.pause.next(), httpx.Said(err).RetryAfter)})
		})
	case recorded:
		m.log.LogAttrs(context.Background(), a.Level(), a.Text(), a.Attrs()...)
		if a.PID = task.PID(); !a.known {
			m.history.Add(a.Event)
		}
	case reported:
		m.hook.Add(a.Change)
		m.desktop.Add(a.Change)
	case remember:
		ctx := m.ending.side
		if a.verdict {
			ctx = m.ending.last
		}
		m.work.Go(func() { writeDown(ctx, m, a.Note) })
	case rotatedBefore:
		m.work.Go(func() {
			// One whose answer still lies beside the file was in nobody's hands but ours.
			if target, err := m.file.Target(); err != nil || len(journal.Others(target, "")) > 0 {
				return
			}
			writeDown(m.ending.side, m, Note{Consumed: a.tip})
		})
	case verifyAgain:
		m.work.Go(func() {
			as := m.issuer.As(clientOf(m, m.Snapshot().State.Tokens.TokenPair))
			m.apply(Retried{a.doubt, as.Verify(m.ending.side, a.doubt.Token, a.doubt.Subject)})
		})
	case askTeams:
		askForTeams(m, a)
	case logged:
		m.log.Log(context.Background(), a.level, a.text, a.args...)
	}
}
