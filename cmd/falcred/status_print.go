package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/peer"
	"github.com/falcred/falcred/protocol/words"
)

// page is the screen of status, and of whoami.
type page struct {
	ui.Page
	now time.Time
}

func newPage(w io.Writer, now time.Time) *page { return &page{ui.NewPage(w), now} }

func (s *standing) print(w io.Writer, now time.Time) error {
	_, err := io.WriteString(w, s.page(w, now))
	return err
}

// page has the answer first, then the rest.
func (s *standing) page(w io.Writer, now time.Time) string {
	p := newPage(w, now)
	p.answer(s)
	if s.Home != "" {
		p.WriteByte('\n')
	}
	if d := s.Daemon; d != nil {
		p.login(d)
		p.trouble(s)
		p.Line("daemon", "%s since %s", p.Green("running"), ui.When(d.Since, now))
		p.Under(fmt.Sprintf("pid %d, version %s", d.PID, d.Version))
		if d.OnDemand {
			p.Under("started when it was needed: nothing starts it after a restart of this machine until docker-credential-fal is called")
			p.Under("to have it run by itself: falcred service install")
		}
		p.Line("served", "%s; %s open", words.Count(d.Clients, "request"), words.Count(d.Connections, "connection"))
	} else if s.Error == "" && !peer.Serves {
		p.Line("daemon", "%s", p.Yellow("falcred does not serve on "+runtime.GOOS))
	} else if s.Error == "" {
		p.Line("daemon", "%s", p.Yellow("not running"))
	}
	if s.Home != "" {
		p.Line("home", "%s", s.Home)
		p.Line("socket", "%s", s.Socket)
	}
	if d := s.Daemon; d != nil && d.Issuer != "" {
		p.Line("issuer", "%s", d.Issuer)
	}
	return p.String()
}

// answer is what most people ask for.
func (p *page) answer(s *standing) {
	if s.Error != "" && s.Login == nil {
		p.Line("error", "%s", p.Red(s.Error))
		p.Line("to do", "%s", s.Hint)
		return
	}
	p.who(s)
	p.shell(s)
	switch {
	case s.Healthy:
		p.Line("health", "%s", p.Green("all is well, there is nothing to do"))
		return
	case s.Shell.Usable && s.Error == "":
		p.Line("health", "%s", p.Yellow("it works, but: "+protocol.Printable(s.Trouble)))
	default:
		p.Line("health", "%s", p.Red(protocol.Printable(s.Trouble)))
	}
	if s.Do != "" {
		p.Line("to do", "%s", protocol.Printable(s.Do))
	}
}

// who is logged in, since when, and how the last login ended where nobody is.
func (p *page) who(s *standing) {
	switch who := s.Login; {
	case who == nil:
		p.Line("who", "%s", p.Yellow("nobody is logged in"))
	case who.Ended:
		p.Line("who", "%s: %s", protocol.Printable(who.called()), p.Red("the login has ended"))
	case who.Since == nil:
		p.Line("who", "%s, logged in", protocol.Printable(who.called()))
	default:
		p.Line("who", "%s, logged in since %s (%s)", protocol.Printable(who.called()), words.Moment(*who.Since), words.Span(p.now.Sub(*who.Since)))
	}
	if s.Login != nil && s.Login.Unverified {
		p.Under("not verified so far: the issuer's keys do not fit its ID token (falcred doctor)")
	}
	if d := s.Daemon; d != nil && !d.LastEnd.IsZero() && d.LoginSince.IsZero() {
		old := ""
		if d.LastEndAge > 0 {
			old = ", when it was " + words.Span(time.Duration(d.LastEndAge)*time.Second) + " old"
		}
		p.Under("the last login ended " + ui.When(d.LastEnd, p.now) + old + ": " + protocol.Printable(d.LastEndCause))
	}
	if s.Before != "" {
		p.Under(protocol.Printable(s.Before) + " was logged in here before")
		p.Under("two accounts at once: give each a home, FAL_HOME_DIR (falcred login --help)")
	}
}

// shell is what a request of this shell would be sent with.
func (p *page) shell(s *standing) {
	shell := s.Shell
	credential := shell.Source
	if credential == sourceLogin {
		credential = "the login's token" // #nosec G101 -- words
	}
	account := protocol.Printable(shell.account())
	if account != "" {
		account = ", for " + account
	}
	switch {
	case s.Error != "" && shell.Source == "":
		return
	case shell.Source == "":
		p.Line("this shell", "%s", p.Yellow("has no credential to send"))
	case shell.Usable:
		p.Line("this shell", "sends %s%s", p.Green(credential), account)
	default:
		p.Line("this shell", "%s %s%s", p.Red("cannot send"), credential, account)
	}
	if s.Login != nil && s.Login.Team != "" && shell.Source == sourceLogin && shell.Usable {
		p.Under(sdkSendsNoTeam)
	}
	if len(shell.Shadows) > 0 {
		p.Under("not used: " + strings.Join(shell.Shadows, ", "))
	}
	if shell.Note != s.Trouble {
		p.Under(protocol.Printable(shell.Note))
	}
	if shell.Hint != s.Do {
		p.Under(protocol.Printable(shell.Hint))
	}
}

// login is the state of the daemon's login.
func (p *page) login(d *protocol.Status) {
	if d.State == protocol.StateKey {
		p.Line("serves", "%s of the daemon's environment", d.Source)
	}
	if d.Subject != "" {
		p.Line("account", "%s", protocol.Printable(d.Subject))
	}
	switch {
	case d.State == protocol.StateLoggedOut: // nothing to attribute
	case d.Unresolved && d.Team != "":
		p.Line("team", "%s, by the fal config: %s", protocol.Printable(d.Team), p.Red("its id is not known, so the login is not served for it"))
	case d.Unresolved:
		p.Line("team", "%s", p.Red("not known, so the login is not served"))
	case d.Team != "":
		p.Line("team", "%s (%s), by the fal config", protocol.Printable(d.Team), protocol.Printable(d.TeamID))
	}
	if !d.Expires.IsZero() {
		p.Line("token", "%s %s", endsOrEnded(d.Expires, p.now), ui.When(d.Expires, p.now))
	}
	if !d.Refreshed.IsZero() {
		p.Line("refreshed", "%s; %s so far", ui.When(d.Refreshed, p.now), words.Count(d.Refreshes, "time"))
	}
	if !d.NextRefresh.IsZero() {
		p.Line("next", "refresh %s", ui.When(d.NextRefresh, p.now))
	}
}

// endsOrEnded is what a time means for what it is the end of.
func endsOrEnded(end, now time.Time) string {
	if end.Before(now) {
		return "expired"
	}
	return "good until"
}

// trouble is what the answer has not said.
func (p *page) trouble(s *standing) {
	said := func(text string) bool { return text == s.Trouble }
	if d := s.Daemon; d.LastError != "" && !said(d.LastError) {
		p.Line("last error", "%s", p.Red(protocol.Printable(d.LastError)))
		p.Under(protocol.Printable(d.Hint))
	}
	for _, warning := range slices.Concat([]string{s.Shell.Warning}, s.Daemon.Warnings) {
		text, hint, _ := strings.Cut(warning, "\n")
		if text == "" || said(text) {
			continue
		}
		p.Line("warning", "%s", p.Yellow(protocol.Printable(text)))
		p.Under(protocol.Printable(hint))
	}
}
