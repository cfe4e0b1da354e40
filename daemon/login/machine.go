package login

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/journal"
)

// maxWarnings are kept, the newest.
const maxWarnings = 8

// machine is one step of the login: the state as it becomes, and what follows from that.
type machine struct {
	State
	now     time.Time
	actions []Action
}

func (m *machine) do(a Action) { m.actions = append(m.actions, a) }

func (m *machine) log(level slog.Level, text string, args ...any) {
	m.do(logged{level, text, args})
}

// record writes an event about the login held into the log and the history.
func (m *machine) record(kind, cause string) { m.do(recorded{m.event(kind, cause), false}) }

// hear is record for what another falcred has written into the history.
func (m *machine) hear(kind string) { m.do(recorded{m.event(kind, ""), true}) }

func (m *machine) event(kind, cause string) events.Event {
	e := events.Event{
		Time: m.now.UTC(), Event: kind, Cause: cause,
		Subject: m.Subject(), Expires: clock.WallTime(m.Tokens.Expires, m.now),
	}
	if kind == events.LoginRequired || kind == events.LoggedOut {
		e.Since = m.Ledger.Course.SinceOf(m.Tokens.Refresh)
	}
	return e
}

func (m *machine) setLedger(l journal.Ledger) {
	m.Ledger = l
	m.ledgerRev++
}

func (m *machine) warned(e Warned) {
	warnings := slices.DeleteFunc(slices.Clone(m.Warnings), func(text string) bool {
		return e.Instead != "" && strings.HasPrefix(text, e.Instead) && text != e.Text
	})
	if e.Text != "" && !slices.Contains(warnings, e.Text) {
		m.log(slog.LevelWarn, e.Text)
		warnings = append(warnings, e.Text)
		warnings = warnings[max(0, len(warnings)-maxWarnings):]
	}
	m.Warnings = warnings
}
