package login

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/protocol"
)

// Attribution, from top to bottom:
//
//	readTeam     reads which team the fal config names
//	attribute    finds its id in the ledger, or has fal's REST host asked for it
//	attribution  says what goes with the token, or why there can be no answer
//
// A request is never attributed to the personal account because a team could not be
// resolved: it gets team_unresolved.

const (
	// noTeamPause is how long a login that is in no such team is believed to be.
	noTeamPause = 5 * time.Minute
	// configPause is how long a config that cannot be used is left to whoever mends it: an
	// event tells at once, and the schedule looks once a minute.
	configPause = time.Minute
)

// Team is what the fal config asks for, and what became of it.
type Team struct {
	Name     string // "" is the personal account
	ID       string
	Subject  string    // whose login resolved the id, or did not
	Problem  *Problem  // why there is no id
	Broken   bool      // Problem is the config's
	OddSince time.Time // since when the config has been strange
	Retry    time.Time
	Asking   bool
}

// retryAt is when the schedule should look at the team again.
func (t Team) retryAt() time.Time {
	if !t.OddSince.IsZero() {
		return t.OddSince.Add(writerDied)
	}
	return t.Retry
}

// readTeam reads the fal config.
func (m *Manager) readTeam() {
	if m.cfg.REST == "" {
		return
	}
	e := TeamRead{Path: m.cfg.FalConfig.Path}
	data, err := m.cfg.FalConfig.Read()
	if e.Empty, e.Err = err == nil && len(data) == 0, err; err == nil {
		e.Name, e.Err = m.cfg.FalConfig.TeamIn(data)
	}
	m.apply(e)
}

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
		m.teamProblem(fmt.Sprintf("the team is unknown: %s named %q, and is gone or empty", e.Path, short(m.Team.Name)),
			"falcred team set, or falcred team unset", configPause)
	case odd:
		m.Team.Broken = true
		m.teamProblem("the team is unknown: "+e.Err.Error(), "mend that file", configPause)
	default:
		m.Team.OddSince = time.Time{}
		if e.Name != m.Team.Name || m.Team.Broken {
			m.teamNamed(e.Name)
		}
	}
}

func (m *machine) teamNamed(name string) {
	m.Team = Team{Name: name, Asking: m.Team.Asking}
	m.do(resetAsking{})
	if name != "" {
		m.log(slog.LevelInfo, "the fal config names a team", "team", short(name))
	} else if m.Ledger.Team.Name != "" {
		m.do(remember{Note: Note{Team: &journal.Team{}}})
	}
}

func (m *machine) teamProblem(text, hint string, wait time.Duration) {
	m.Team.Retry = m.now.Add(wait)
	if p := m.Team.Problem; p != nil && p.Text == text {
		return
	}
	m.log(slog.LevelWarn, "requests cannot be attributed", "cause", text)
	m.Team.Problem = &Problem{Code: protocol.CodeTeamUnresolved, Text: text, Hint: hint}
	m.Team.ID, m.Team.Subject = "", m.Subject()
}

// attribute follows each change of the login or its team: it forgets what was another
// account's, takes what the ledger knows, and asks for what nobody does.
func (m *machine) attribute() {
	t, subject := &m.Team, m.Subject()
	if t.Broken || t.Name == "" {
		return
	}
	if t.Subject != subject && (t.ID != "" || t.Problem != nil) {
		t.ID, t.Problem, t.Retry = "", nil, time.Time{} // another account: its teams are others
	}
	if known := m.Ledger.Team; t.ID == "" && subject != "" && t.Name == known.Name && subject == known.Subject {
		t.ID, t.Subject, t.Problem = known.ID, subject, nil
	}
	if t.ID == "" && !t.Asking && m.Served.Valid(m.now) && !m.now.Before(t.Retry) {
		t.Asking = true
		m.do(resolveTeam{journal.Team{Name: t.Name, Subject: subject}, m.Served.Access})
	}
}

func (m *machine) teamAnswered(e TeamAnswered) {
	m.Team.Asking = false
	switch {
	case m.Team.Name != e.Asked.Name || m.Subject() != e.Asked.Subject: // something else is asked for by now
	case e.Err != nil:
		m.teamProblem(fmt.Sprintf("the id of team %q cannot be found out: %v", short(e.Asked.Name), e.Err), networkHint, e.Pause)
	case !e.Found:
		m.teamProblem(fmt.Sprintf("the login is in no team %q", short(e.Asked.Name)), "name another one: falcred team set", noTeamPause)
	default:
		m.Team.ID, m.Team.Subject, m.Team.Problem = e.Asked.ID, e.Asked.Subject, nil
		m.log(slog.LevelInfo, "resolved the team", "team", short(e.Asked.Name), "id", short(e.Asked.ID))
		if e.Asked.Subject != "" {
			m.do(remember{Note: Note{Team: &e.Asked}})
		}
	}
}

// attribution is what goes with the login's token: header fields, or why there can be no
// answer.
func (s *State) attribution() (map[string]string, *protocol.Error) {
	switch t := s.Team; {
	case t.Problem != nil:
		return nil, t.Problem.Wire()
	case t.Name == "":
		return nil, nil
	case t.ID == "":
		return nil, protocol.Errorf(protocol.CodeTeamUnresolved, "the id of team %q is not known yet\ntry again", short(t.Name))
	}
	return map[string]string{fal.TeamHeader: s.Team.ID}, nil
}

// perform asks fal's REST host for a team's id. It is shown tokens of the home's issuer
// only, and no redirect carries one elsewhere (R13).
func (a resolveTeam) perform(m *Manager) {
	if m.ending.over() {
		return
	}
	c := &call{make(chan struct{})}
	m.question = c
	m.work.Go(func() {
		e := TeamAnswered{Asked: a.team}
		var list []fal.Account
		if e.Err = m.cfg.CheckToken(a.access); e.Err == nil {
			list, e.Err = fal.Accounts(m.ending.side, m.issuer.Client(), m.cfg.REST, a.access)
		}
		account, found := fal.FindAccount(list, a.team.Name)
		if e.Found, e.Asked.ID = found, account.UserID; e.Err != nil {
			e.Pause = m.asking.next()
		}
		finish(m, &m.question, e)
	})
}

type resetAsking struct{}

func (resetAsking) perform(m *Manager) { m.asking.reset() }

// Accounts asks which accounts the login of cfg's home with this access token may act
// for: the personal one first, then by nickname, as the fal CLI has them. Neither a home
// of another issuer than cfg's nor a token that is not of it is shown to anybody.
func Accounts(ctx context.Context, cfg Config, access string) ([]fal.Account, error) {
	if err := cfg.CheckIssuer(); err != nil {
		return nil, err
	}
	if err := cfg.CheckToken(access); err != nil {
		return nil, err
	}
	transport := cfg.Transport
	if transport == nil {
		transport = httpx.NewTransport()
	}
	return fal.Accounts(ctx, httpx.Client(transport), cfg.REST, access)
}
