package daemon

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/falcred/falcred/protocol"
)

// Attribution, from top to bottom:
//
//	checkTeam      reads which team the fal config names
//	publishLocked  puts its id, or why there is none, into the view
//	askTeamLocked  starts one request for the id, whoever needs it
//	askTeam        asks fal's REST host, and remembers the id on disk
//
// A request is never attributed to the personal account because a team could
// not be resolved: it gets team_unresolved.

// teamHeader is what the fal CLI sends beside a login's token (§2).
const teamHeader = "X-Fal-User-Id"

// noTeamPause is how long a login that is in no such team is believed to be.
const noTeamPause = 5 * time.Minute

// team is what the fal config asks for and what became of it.
type team struct {
	name    string // "" is the personal account
	id      string
	subject string    // whose login resolved the id
	trouble *trouble  // why there is no id
	broken  bool      // trouble is the config's
	odd     time.Time // since when the config has been strange
	retryAt time.Time
	pause   *backoff.ExponentialBackOff
	asking  *flight
}

// resolved is an id, as it is kept on disk: good for one team and one account.
type resolved struct{ Name, Subject, ID string }

// checkTeam looks at the fal config. The CLI writes it in place and editors
// rename, so what cannot be read, or is suddenly empty or gone, is left to its
// writer for a while. A config that named a team and is gone for good says
// nothing about whom to attribute to: `team unset` does.
func (l *Login) checkTeam() {
	if l.cfg.REST == "" {
		return
	}
	data, err := l.cfg.FalConfig.read()
	var name string
	if err == nil {
		name, err = l.cfg.FalConfig.teamIn(data)
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &l.team
	gone := err == nil && len(data) == 0 && t.name != ""
	odd := err != nil || gone
	switch {
	case odd && t.odd.IsZero() && t.name != "":
		t.odd = now
		l.poke()
		return
	case odd && now.Sub(t.odd) < writerDied:
		return
	case gone:
		t.broken = true
		l.teamTroubleLocked(fmt.Sprintf("the team is unknown: %s named %q, and is gone or empty", l.cfg.FalConfig.Path, short(t.name)),
			"falcred team set, or falcred team unset", slowCheck)
		return
	case err != nil:
		t.broken = true
		l.teamTroubleLocked("the team is unknown: "+err.Error(), "mend that file", slowCheck)
		return
	}
	t.odd = time.Time{}
	if name != t.name || t.broken {
		l.teamNamedLocked(name)
	}
}

func (l *Login) teamNamedLocked(name string) {
	l.team = team{name: name, asking: l.team.asking, pause: newPause()}
	if name != "" {
		l.log.Info("the fal config names a team", "team", short(name))
	} else if l.memory.Team.Name != "" {
		l.work.Go(func() { l.remember(func(m *memory) { m.Team = resolved{} }) })
	}
	l.publishLocked()
}

// attributionLocked is what goes with the login's token: header fields, or why
// there can be no answer.
func (l *Login) attributionLocked() (map[string]string, *protocol.Error) {
	t := &l.team
	subject := l.subjectLocked()
	if !t.broken && t.name != "" && t.subject != subject && (t.id != "" || t.trouble != nil) {
		t.id = "" // another account: its teams are others
		t.trouble, t.retryAt = nil, time.Time{}
	}
	if known := l.memory.Team; !t.broken && t.id == "" && subject != "" && t.name == known.Name && subject == known.Subject {
		t.id, t.subject, t.trouble = known.ID, subject, nil
	}
	switch {
	case t.trouble != nil:
		return nil, t.trouble.asError()
	case t.name == "":
		return nil, nil
	case t.id == "":
		return nil, protocol.Errorf(protocol.CodeTeamUnresolved, "the id of team %q is not known yet\ntry again", short(t.name))
	}
	return map[string]string{teamHeader: t.id}, nil
}

// teamDueLocked says whether asking can help now.
func (l *Login) teamDueLocked(now time.Time) bool {
	t := &l.team
	return t.name != "" && t.id == "" && l.shown.valid(now) && !now.Before(t.retryAt)
}

// askTeamLocked joins the question that is under way, or starts one. It returns
// nil where none can help now.
func (l *Login) askTeamLocked(now time.Time) *flight {
	t := &l.team
	if t.asking == nil && l.teamDueLocked(now) {
		f := &flight{done: make(chan struct{})}
		t.asking = f
		name, subject, access := t.name, l.subjectLocked(), l.shown.access
		l.work.Go(func() { l.askTeam(f, resolved{Name: name, Subject: subject}, access) })
	}
	return t.asking
}

func (l *Login) askTeam(f *flight, r resolved, access string) {
	// The issuer's client makes one request of one request, and no redirect
	// carries the token elsewhere (R13).
	client := &http.Client{Transport: l.issuer.client.Transport, CheckRedirect: l.issuer.client.CheckRedirect}
	list, err := accounts(context.Background(), client, l.cfg, access)
	account, found := FindAccount(list, r.Name)
	r.ID = account.UserID
	learned := false
	l.mu.Lock()
	l.team.asking = nil
	switch {
	case l.team.name != r.Name || l.subjectLocked() != r.Subject:
		l.poke() // something else is asked for by now
	case err != nil:
		l.teamTroubleLocked(fmt.Sprintf("the id of team %q cannot be found out: %v", short(r.Name), err), mendNetwork, l.team.pause.NextBackOff())
	case !found:
		l.teamTroubleLocked(fmt.Sprintf("the login is in no team %q", short(r.Name)), "name another one: falcred team set", noTeamPause)
	default:
		l.team.id, l.team.subject, l.team.trouble = r.ID, r.Subject, nil
		learned = r.Subject != ""
		l.log.Info("resolved the team", "team", short(r.Name), "id", short(r.ID))
		l.publishLocked()
	}
	l.mu.Unlock()
	close(f.done)
	if learned {
		l.remember(func(m *memory) { m.Team = r })
	}
}

func (l *Login) teamTroubleLocked(text, mend string, wait time.Duration) {
	l.team.retryAt = time.Now().Add(wait)
	if t := l.team.trouble; t != nil && t.text == text {
		return
	}
	l.log.Warn("requests cannot be attributed", "cause", text)
	l.team.trouble = &trouble{code: protocol.CodeTeamUnresolved, text: text, mend: mend}
	l.team.id, l.team.subject = "", l.subjectLocked()
	l.publishLocked()
}

// teamAtLocked is when the schedule should look at the team again.
func (l *Login) teamAtLocked() time.Time {
	if !l.team.odd.IsZero() {
		return l.team.odd.Add(writerDied)
	}
	return l.team.retryAt
}
