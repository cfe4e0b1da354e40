package login

import (
	"cmp"
	"fmt"
	"log/slog"
	"time"

	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/protocol"
)

// Attribution, from top to bottom:
//
//	readTeam     reads which team the fal config names
//	attribute    finds its id in the ledger, or has fal's REST host asked for the login's teams
//	attribution  says what goes with the token, or why there can be no answer
//
// A request can name another team than the config's: attributionTo finds that among the same teams.
// None is ever attributed to the personal account because a team could not be resolved: it gets
// team_unresolved.

// configPause is how long a config that cannot be used is left to whoever corrects it: an
// event comes at once, and the schedule reads once a minute.
const configPause = time.Minute

// teamRead applies a reading. The CLI writes the config in place and editors rename, so
// what cannot be read, or is suddenly empty or gone, is left to its writer for a while. A
// config that named a team and is gone for good says nothing about whom to attribute to:
// `team unset` does.
func (m *machine) teamRead(e TeamRead) {
	gone := e.Err == nil && e.Empty && m.Team.Name != ""
	odd := e.Err != nil || gone
	switch {
	case odd && m.Team.OddSince.IsZero() && m.Team.Name != "":
		m.Team.OddSince = m.now
	case odd && m.now.Sub(m.Team.OddSince) < writerDied:
	case gone:
		m.Team.Broken = true
		m.teamProblem(fmt.Sprintf("the team is unknown: %s, which named %q, is gone or empty", e.Path, short(m.Team.Name)),
			"choose again: falcred team set NAME, or falcred team unset", configPause)
	case odd:
		m.Team.Broken = true
		text, hint := fsx.Explain(e.Err)
		m.teamProblem("the team is unknown: "+text, cmp.Or(hint, "correct that file"), configPause)
	default:
		m.Team.OddSince = time.Time{}
		if e.Name != m.Team.Name || m.Team.Broken {
			m.teamNamed(e.Name)
		}
	}
}

func (m *machine) teamNamed(name string) {
	m.Team = Team{Name: name}
	m.do(resetAsking{})
	if name != "" {
		m.log(slog.LevelInfo, "the fal config names a team", "team", short(name))
		return
	}
	m.log(slog.LevelInfo, "the fal config names no team: requests are the account's own")
	if m.Ledger.Team.Name != "" {
		m.do(remember{Note: Note{Team: &journal.Team{}}})
	}
}

func (m *machine) teamProblem(text, hint string, wait time.Duration) {
	if clock.Remaining(m.Team.Retry, m.now) <= 0 { // else each reading that finds the same would be a reason to look again
		m.Team.Retry = m.now.Add(wait)
	}
	if p := m.Team.Problem; p != nil && p.Text == text {
		return
	}
	m.log(slog.LevelWarn, "requests are refused: it is not known for which account they are", "cause", text)
	m.Team.Problem = &Problem{Code: protocol.CodeTeamUnresolved, Text: text, Hint: hint}
	m.Team.ID, m.Team.of = "", m.account()
}

// attribute follows each change of the login or its team: it forgets what was another
// account's, takes what the ledger and the last answer know, and asks for what nobody does.
func (m *machine) attribute() {
	of := m.account()
	if m.Teams.of != of { // another account: its teams are others
		m.Teams = Teams{of: of, Asking: m.Teams.Asking, Wanted: m.Teams.Wanted}
	}
	wanted := m.Teams.Wanted
	if t := &m.Team; !t.Broken && t.Name != "" {
		if t.of != of && (t.ID != "" || t.Problem != nil) {
			t.ID, t.Problem, t.Retry = "", nil, time.Time{}
		}
		if known := m.Ledger.Team; t.ID == "" && of.subject != "" && t.Name == known.Name && of.subject == known.Subject {
			t.ID, t.of, t.Problem = known.ID, of, nil
		}
		if _, found := fal.FindAccount(m.Teams.List, t.Name); t.ID == "" && found {
			m.resolve()
		}
		wanted = wanted || t.ID == "" && !m.now.Before(t.Retry)
	}
	if wanted && !m.Teams.Asking && m.Served.Valid(m.now) {
		m.Teams.Asking = true
		m.do(askTeams{of, m.Served.Access})
	}
}

// teamWanted notes that somebody waits for a team that is not known. An answer of a moment ago says that
// the login is in no such, and a failure of a moment ago that it cannot be known now.
func (m *machine) teamWanted() {
	if !m.Teams.believed(m.now) && !m.now.Before(m.Teams.Retry) {
		m.Teams.Wanted = true
	}
}

func (m *machine) teamsAnswered(e TeamsAnswered) {
	m.Teams.Asking = false
	if m.account() != e.of || e.GivenUp {
		return
	}
	m.Teams.Wanted = false
	unresolved := m.Team.Name != "" && m.Team.ID == "" && !m.Team.Broken
	if e.Err == nil {
		m.Teams = Teams{of: e.of, List: e.List, Heard: m.now}
		if unresolved {
			m.resolve()
		}
		return
	}
	text, hint := fsx.Explain(e.Err)
	hint = cmp.Or(hint, httpx.Said(e.Err).Hint(), httpx.PassesHint)
	if unresolved {
		p := notFound(m.Team.Name, text, hint)
		m.teamProblem(p.Text, p.Hint, e.Pause)
	} else if p := m.Teams.Problem; p == nil || p.Text != text {
		m.log(slog.LevelWarn, "a team that a request names cannot be asked for", "cause", text)
	}
	m.Teams.Problem, m.Teams.Retry = &Problem{Text: text, Hint: hint}, m.now.Add(e.Pause)
}

// resolve looks for the config's team in the last answer.
func (m *machine) resolve() {
	t := &m.Team
	found, ok := fal.FindAccount(m.Teams.List, t.Name)
	if !ok {
		p := notAMember(t.Name)
		m.teamProblem(p.Text, p.Hint, noTeamPause)
		return
	}
	t.ID, t.of, t.Problem = found.UserID, m.Teams.of, nil
	m.log(slog.LevelInfo, "resolved the team", "team", short(t.Name), "id", short(t.ID))
	if subject := t.of.subject; subject != "" {
		m.do(remember{Note: Note{Team: &journal.Team{Name: t.Name, Subject: subject, ID: t.ID}}})
	}
}
