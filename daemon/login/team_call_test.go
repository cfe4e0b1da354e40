package login

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
)

// getFor is a get that names a team.
func (w *world) getFor(team string) (protocol.Credential, error) {
	return w.ask(context.Background(), protocol.Query{ServerURL: protocol.DefaultServer, Team: &team})
}

// wantFor wants a get that names a team to be attributed to an id, "" for the login's own account.
func (w *world) wantFor(team, id string) {
	w.Helper()
	c, err := w.getFor(team)
	if err != nil {
		w.Errorf("%q: %v\n%s", team, err, w.log)
	} else if c.Headers[fal.TeamHeader] != id || id == "" && c.Headers != nil || c.Team == nil || *c.Team != team {
		w.Errorf("%q: %v, of team %v", team, c.Headers, c.Team)
	}
}

func (w *world) wantUnresolved(team, why string) {
	w.Helper()
	_, err := w.getFor(team)
	if e := protocol.AsError(err); err == nil || e.Code != protocol.CodeTeamUnresolved || !strings.Contains(e.Message, why) {
		w.Errorf("%q: %v, want %q", team, err, why)
	}
}

// §4: one daemon serves many teams at once, whatever the config names, and asks for all of them once.
func TestATeamForACall_Section4(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Teams: acme}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.mustGet()
		for range 3 {
			w.wantFor("acme", "team_acme")
			w.wantFor("OTHER", "team_other") // as the CLI, in any case
			w.wantFor("", "")
			w.wantTeam("")
		}
		w.names("other")
		readTeam(w.Manager)
		w.settle()
		w.wantTeam("team_other")
		w.wantFor("acme", "team_acme")
		w.wantFor("", "")
		if n := w.idp.Stats().TeamRequests; n != 1 {
			t.Errorf("asked %d times, want once", n)
		}
		w.refresh("") // whom it is attributed to outlives the token
		w.wantFor("acme", "team_acme")
	})
}

// §4: a team that the login is not in is no other account's to pay for: it is believed for five minutes,
// however often it is asked for, and then asked again.
func TestAnUnknownTeam_Section4(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Teams: acme}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.mustGet()
		for range 5 {
			w.wantUnresolved("beta", "is not a member")
			w.wantUnresolved("gamma", "is not a member")
		}
		w.idp.SetConfig(func(c *idp.Config) { c.Teams = append(acme, idp.Team{Nickname: "beta", UserID: "team_beta"}) })
		w.pass(4 * time.Minute)
		w.wantUnresolved("beta", "is not a member")
		w.wantFor("acme", "team_acme") // which is known
		if n := w.idp.Stats().TeamRequests; n != 1 {
			t.Errorf("asked %d times, want once", n)
		}
		w.pass(time.Minute + time.Second)
		w.wantFor("beta", "team_beta")
		w.wantUnresolved("gamma", "is not a member")
		if n := w.idp.Stats().TeamRequests; n != 2 {
			t.Errorf("asked %d times, want twice", n)
		}
	})
}

// §4, R7: while fal's REST host cannot be asked, a request that names a team is told so, at once after the
// first, and the host is asked no oftener than it would be for the config's.
func TestTeamsThatCannotBeAskedFor_Section4R7(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Teams: acme, TeamsStatus: 503}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.mustGet()
		for range 60 * 10 {
			w.wantUnresolved("acme", "could not be found")
			w.wantFor("", "") // needs nobody
			w.pass(time.Second)
		}
		if n := w.idp.Stats().TeamRequests; n < 8 || n > 25 {
			t.Errorf("asked %d times in ten minutes; a pause of at most a minute makes about 15", n)
		}
		w.idp.SetConfig(func(c *idp.Config) { c.TeamsStatus = 0 })
		w.pass(time.Minute + 15*time.Second)
		w.wantFor("acme", "team_acme")
		asked := w.idp.Stats().TeamRequests
		w.idp.SetConfig(func(c *idp.Config) { c.TeamsStatus = 503 })
		w.pass(time.Hour)
		w.wantFor("acme", "team_acme") // once known it stays so
		if n := w.idp.Stats().TeamRequests; n != asked {
			t.Errorf("asked %d times more with nobody wanting to know", n-asked)
		}
	})
}

// §4: whose team it is: another account that logs in has others, and a logout forgets them.
func TestTeamsAreTheAccounts_Section4(t *testing.T) {
	for name, opaque := range map[string]bool{"an account that is known": false, "an opaque access token": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Opaque: opaque, Teams: acme}, func(w *world) {
				w.signIn("ann")
				w.start()
				w.mustGet()
				w.wantFor("acme", "team_acme")
				w.idp.SetConfig(func(c *idp.Config) { c.Teams = []idp.Team{{Nickname: "acme", UserID: "bobs_acme"}} })
				w.signIn("bob")
				w.reconcile()
				w.settle()
				w.wantFor("acme", "bobs_acme")
				if _, err := w.logout(true, true); err != nil {
					t.Fatal(err)
				}
				if list := w.state().Teams.List; list != nil {
					t.Errorf("after a logout it knows %v", list)
				}
			})
		})
	}
}

// §5: a key is for its own account: its answer names no team, whatever was asked.
func TestAKeyHasNoTeam_Section5(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Teams: acme}, func(w *world) {
		w.signIn("ann")
		w.startWith(func(cfg *Config) { cfg.Key.Secret, cfg.Key.Source = "a:b", "FAL_KEY" })
		w.settle()
		if c, err := w.getFor("acme"); err != nil || c.Username != "Key" || c.Team != nil || c.Headers != nil {
			t.Errorf("%s, %v, %v, %v", c.Username, c.Team, c.Headers, err)
		}
		forced := protocol.Query{ServerURL: protocol.DefaultServer, Team: new("acme"), ForceUser: true}
		if c, err := w.ask(context.Background(), forced); err != nil || c.Username != "Bearer" || c.Team == nil || c.Headers[fal.TeamHeader] != "team_acme" {
			t.Errorf("%s, %v, %v, %v", c.Username, c.Team, c.Headers, err)
		}
	})
}

// §4: where nothing resolves teams no request is attributed by guess.
func TestNoTeamsAtAnotherIssuer_Section4(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.startWith(func(cfg *Config) { cfg.REST = "" })
		w.mustGet()
		w.wantUnresolved("acme", "teams are a feature of fal's")
		w.wantFor("", "")
	})
}

// §4: who watches for a team hears when its id is known, and when the teams change.
func TestAWatchForATeamChanges_Section4(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Teams: acme, TeamsStatus: 503}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.mustGet()
		w.wantUnresolved("acme", "could not be found")
		changed := w.Snapshot().Changed()
		w.idp.SetConfig(func(c *idp.Config) { c.TeamsStatus = 0 })
		w.pass(2 * time.Minute)
		w.wantFor("acme", "team_acme")
		select {
		case <-changed:
		default:
			t.Error("whoever waits for a change is not woken")
		}
	})
}

// §4: a question that was asked for a login which is another by now says nothing about that, where nobody
// knows whose either is.
func TestATeamsAnswerIsTheLogins_Section4(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Opaque: true, Teams: acme}, func(w *world) {
		nameless := idp.Without("id_token")
		w.idp.SetFault(&nameless)
		w.signIn("ann")
		rest := w.startWith(func(cfg *Config) { cfg.Transport.(*slowREST).takes = 4 * time.Second })
		w.mustGet()
		done := make(chan protocol.Credential)
		go func() {
			c, _ := w.getFor("acme")
			done <- c
		}()
		w.pass(time.Second)
		w.signIn("bob")
		w.reconcile()
		w.pass(3500 * time.Millisecond) // ann's answer would be here
		w.idp.SetConfig(func(c *idp.Config) { c.Teams = []idp.Team{{Nickname: "acme", UserID: "bobs_acme"}} })
		if c := <-done; c.Headers[fal.TeamHeader] == "team_acme" {
			t.Error("bob's request is attributed to ann's team")
		}
		w.pass(10 * time.Second)
		w.wantFor("acme", "bobs_acme")
		if n := rest.times(); n != 2 {
			t.Errorf("asked %d times, want once for each login", n)
		}
	})
}

// §4: a request that names a team goes on where somebody changes the config's: one answer has all of them.
func TestTheConfigChangesWhileATeamIsAskedFor_Section4(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Teams: acme}, func(w *world) {
		w.signIn("ann")
		rest := w.startWith(func(cfg *Config) { cfg.Transport.(*slowREST).takes = 3 * time.Second })
		w.mustGet()
		done := make(chan error)
		go func() {
			_, err := w.getFor("acme")
			done <- err
		}()
		w.pass(time.Second)
		w.names("other")
		readTeam(w.Manager)
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.wantTeam("team_other")
		if n := rest.times(); n != 1 {
			t.Errorf("asked %d times, want once", n)
		}
	})
}
