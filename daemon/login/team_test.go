package login

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

var acme = []idp.Team{{Nickname: "acme", FullName: "Acme Inc.", UserID: "team_acme"}, {Nickname: "other", UserID: "team_other"}}

// names writes the fal config as the CLI does: in place.
func (w *world) names(team string) {
	w.Helper()
	text := fmt.Sprintf("[__internal__]\nteam = %q\n", team)
	if team == "" {
		text = "[__internal__]\n"
	}
	if err := os.WriteFile(w.home+"/config.toml", []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

func (w *world) wantTeam(id string) {
	w.Helper()
	c, err := w.get()
	if err != nil {
		w.Fatalf("get: %v\n%s", err, w.log)
	}
	if c.Headers[fal.TeamHeader] != id || id == "" && c.Headers != nil {
		w.Fatalf("the credential carries %v, want the id %q", c.Headers, id)
	}
}

// §2: the config's team is resolved once, kept on disk, and read anew when the
// config changes.
func TestTeamIsResolvedOnce(t *testing.T) {
	manyDays(t)
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Teams: acme}, func(w *world) {
		w.names("ACME") // as the CLI, in any case
		w.signIn("ann")
		w.start()
		w.wantTeam("team_acme")
		w.pass(24 * time.Hour)
		w.wantTeam("team_acme")
		w.kill()
		w.idp.SetConfig(func(c *idp.Config) { c.TeamsStatus = 500 })
		w.start()
		w.wantTeam("team_acme") // from the disk
		if n := w.idp.Stats().TeamRequests; n != 1 {
			w.Errorf("asked %d times, want once", n)
		}
		w.idp.SetConfig(func(c *idp.Config) { c.TeamsStatus = 0 })
		w.names("other")
		w.pass(time.Minute)
		w.wantTeam("team_other")
		w.names("")
		w.pass(time.Minute)
		w.wantTeam("")
		if s := w.Snapshot().Status(); s.Team != "" || s.TeamID != "" {
			w.Errorf("status says team %q, %q", s.Team, s.TeamID)
		}
	})
}

// Never resolved and not resolvable now is an error, and never a request that
// is silently attributed to the personal account.
func TestTeamUnresolved(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Teams: acme, TeamsStatus: 503}, func(w *world) {
		w.names("acme")
		w.signIn("ann")
		w.start()
		w.wantCode(protocol.CodeTeamUnresolved)
		if s := w.Snapshot().Status(); s.State != protocol.StateLoggedIn || !strings.Contains(s.LastError, `"acme"`) || s.Team != "acme" {
			w.Errorf("status: %+v", s)
		}
		w.pass(time.Hour)
		if n := w.idp.Stats().TeamRequests; n < 30 || n > 120 {
			w.Errorf("asked %d times in an hour; a pause of at most a minute makes about 75", n)
		}
		w.idp.SetConfig(func(c *idp.Config) { c.TeamsStatus = 0 })
		w.pass(time.Minute)
		w.wantTeam("team_acme")
		w.names("nobody's")
		w.pass(time.Minute)
		w.wantCode(protocol.CodeTeamUnresolved)
		w.wantAlive()
	})
}

// Another account's login does not inherit the team's id.
func TestTeamOfAnotherAccount(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Teams: acme}, func(w *world) {
		w.names("acme")
		w.signIn("ann")
		w.start()
		w.wantTeam("team_acme")
		w.idp.SetConfig(func(c *idp.Config) { c.Teams = nil })
		refresh, access, _ := w.idp.Login("bob")
		w.write(refresh, access)
		w.reconcile()
		w.wantCode(protocol.CodeTeamUnresolved)
	})
}

// What was asked for one account is no answer for another that has logged in meanwhile,
// and neither is a failure: ann's is asked for by itself.
func TestTeamAnswerForAnotherAccount(t *testing.T) {
	bobs := []fal.Account{{Nickname: "acme", UserID: "team_bobs"}}
	for name, answer := range map[string]TeamsAnswered{
		"found":  {of: account{subject: "bob"}, List: bobs},
		"none":   {of: account{subject: "bob"}},
		"failed": {of: account{subject: "bob"}, Err: testkit.ErrNetDown, Pause: time.Minute},
	} {
		s := in(Active, func(s *State) { s.Team, s.Teams = Team{Name: "acme"}, Teams{of: account{subject: "ann"}, Asking: true} })
		after, actions := next(s, answer, noon)
		if after.Team.ID != "" || after.Team.Problem != nil || after.Teams.List != nil {
			t.Errorf("%s: ann's team is %q, %v", name, after.Team.ID, after.Team.Problem)
		}
		asked := slices.ContainsFunc(actions, func(a Action) bool {
			q, ok := a.(askTeams)
			return ok && q.of.subject == "ann"
		})
		if !asked {
			t.Errorf("%s: ann's team is not asked for", name)
		}
	}
}

// R7: the pauses between questions for one team are not those of the next.
func TestTeamHasAPauseOfItsOwn_R7(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Teams: acme, TeamsStatus: 503}, func(w *world) {
		w.names("acme")
		w.signIn("ann")
		w.start()
		w.pass(10 * time.Minute) // they have grown to a minute
		asked := w.idp.Stats().TeamRequests
		w.names("other")
		readTeam(w.Manager)
		w.settle()
		if n := w.idp.Stats().TeamRequests; n != asked+1 {
			t.Fatalf("asked %d times, want once, at once", n-asked)
		}
		w.idp.SetConfig(func(c *idp.Config) { c.TeamsStatus = 0 })
		w.pass(2 * time.Second)
		w.wantTeam("team_other")
	})
}

// The CLI truncates the config and then writes it: what is empty or half
// written for a moment is no change of team; what stays broken is said.
func TestTeamConfigHalfWritten(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Teams: acme}, func(w *world) {
		w.names("acme")
		w.signIn("ann")
		w.start()
		for _, half := range []string{"", "[__internal__]\nteam = \"oth"} {
			if err := os.WriteFile(w.home+"/config.toml", []byte(half), 0o600); err != nil {
				w.Fatal(err)
			}
			readTeam(w.Manager)
			w.pass(writerDied - time.Second)
			readTeam(w.Manager)
			w.wantTeam("team_acme")
			w.names("acme")
			readTeam(w.Manager)
		}
		os.WriteFile(w.home+"/config.toml", []byte("[__internal"), 0o600)
		readTeam(w.Manager)
		w.pass(writerDied + time.Second)
		w.wantCode(protocol.CodeTeamUnresolved)
		w.names("acme")
		readTeam(w.Manager)
		w.wantTeam("team_acme")
	})
}

// A config that named a team and is gone, or empty, names nobody: not the
// personal account either, across restarts, until somebody says so.
func TestTeamConfigGone(t *testing.T) {
	for name, away := range map[string]func(path string) error{
		"deleted": os.Remove,
		"emptied": func(path string) error { return os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Teams: acme}, func(w *world) {
				config := fal.Config{Path: w.home + "/config.toml"}
				w.names("acme")
				w.signIn("ann")
				w.start()
				w.wantTeam("team_acme")
				if err := away(config.Path); err != nil {
					t.Fatal(err)
				}
				readTeam(w.Manager)
				w.wantTeam("team_acme") // perhaps an editor is at work
				w.pass(writerDied + time.Second)
				w.wantCode(protocol.CodeTeamUnresolved)
				w.kill()
				w.start()
				w.pass(writerDied + time.Second)
				w.wantCode(protocol.CodeTeamUnresolved)
				w.names("other")
				w.pass(time.Minute)
				w.wantTeam("team_other")
				away(config.Path)
				w.pass(time.Minute + writerDied + time.Second)
				w.wantCode(protocol.CodeTeamUnresolved)
				if err := config.SetTeam(""); err != nil {
					t.Fatal(err)
				}
				w.pass(time.Minute)
				w.wantTeam("")
				os.Remove(config.Path)
				w.kill()
				w.start()
				w.pass(time.Minute)
				w.wantTeam("") // an unset team is forgotten
			})
		})
	}
}

// A config that cannot be read at the start attributes nothing to anybody.
func TestTeamConfigBrokenAtTheStart(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Teams: acme}, func(w *world) {
		os.WriteFile(w.home+"/config.toml", []byte("[__internal"), 0o600)
		w.signIn("ann")
		w.start()
		w.wantCode(protocol.CodeTeamUnresolved)
		w.names("")
		w.pass(time.Minute)
		w.wantTeam("")
	})
}
