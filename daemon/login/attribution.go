package login

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/issuer"
)

// readTeam reads the fal config.
func readTeam(m *Manager) {
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

// askForTeams asks fal's REST host which accounts the login may act for. It is shown tokens of the
// home's issuer only, and no redirect carries one elsewhere (R13).
func askForTeams(m *Manager, a askTeams) {
	e := TeamsAnswered{of: a.of}
	if m.ending.over() {
		e.Err, e.Pause = errEnding, time.Hour
		finish(m, &m.question, e)
		return
	}
	m.mu.Lock()
	asked := m.question
	m.mu.Unlock()
	m.work.Go(func() {
		if e.Err = m.cfg.CheckToken(a.access); e.Err == nil {
			e.List, e.Err = m.cfg.accounts(asked.ctx, m.issuer.Client(), a.access)
		}
		if e.GivenUp = asked.ctx.Err() != nil; e.Err != nil {
			e.Pause = max(m.asking.next(), httpx.Said(e.Err).RetryAfter)
		}
		finish(m, &m.question, e)
	})
}

var errEnding = errors.New("falcred is shutting down")

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
	return cfg.accounts(ctx, issuer.New(cfg.Issuer, cfg.ClientID, cfg.Transport).Client(), access)
}

// accounts asks the hosts that the settings and the fal config name by now.
func (cfg Config) accounts(ctx context.Context, client *http.Client, access string) ([]fal.Account, error) {
	hosts, _, err := cfg.FalConfig.RESTHosts(cfg.REST, cfg.RESTNamed)
	if err != nil {
		return nil, err
	}
	return fal.Accounts(ctx, client, hosts, access)
}
