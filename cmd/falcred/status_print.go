package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/peer"
	"github.com/falcred/falcred/protocol/words"
)

// page is the screen of status.
type page struct{ ui.Page }

func (s *standing) print(w io.Writer, colour ui.Paint, now time.Time) error {
	p := &page{ui.Page{Paint: colour}}
	if s.Daemon != nil {
		p.Line("daemon", "%s, pid %d, version %s, since %s", p.Green("running"), s.Daemon.PID, s.Daemon.Version, ui.When(s.Daemon.Since, now))
	} else if s.Error == "" && !peer.Serves {
		p.Line("daemon", "%s", p.Yellow("falcred does not serve on "+runtime.GOOS))
	} else if s.Error == "" {
		p.Line("daemon", "%s", p.Yellow("not running"))
	}
	if s.Home != "" {
		p.Line("home", "%s", s.Home)
		p.Line("socket", "%s", s.Socket)
	}
	if s.Daemon != nil {
		p.daemon(s.Daemon, s.Before, now)
	}
	if s.Error != "" {
		p.Line("error", "%s", p.Red(s.Error))
		p.Under(s.Hint)
	} else {
		p.shell(s.Shell)
	}
	_, err := io.WriteString(w, p.String())
	return err
}

func (p *page) daemon(d *protocol.Status, before string, now time.Time) {
	p.Line("issuer", "%s", d.Issuer)
	p.Line("state", "%s", p.state(d))
	if d.Subject != "" {
		p.Line("login", "%s", protocol.Printable(d.Subject))
	}
	if before != "" {
		p.Under(protocol.Printable(before) + " was logged in here before")
		p.Under("two accounts at once: give each a home, FAL_HOME_DIR (falcred login --help)")
	}
	if !d.LoginSince.IsZero() {
		p.Line("since", "%s", ui.When(d.LoginSince, now))
	}
	if !d.LastEnd.IsZero() && d.LoginSince.IsZero() { // while there is none
		old := ""
		if d.LastEndAge > 0 {
			old = fmt.Sprintf(", %s old", words.Span(time.Duration(d.LastEndAge)*time.Second))
		}
		p.Line("ended", "%s%s: %s", ui.When(d.LastEnd, now), old, protocol.Printable(d.LastEndCause))
	}
	switch {
	case d.State == protocol.StateLoggedOut: // nothing to attribute
	case d.Unresolved && d.Team != "":
		p.Line("team", "%s, %s", protocol.Printable(d.Team), p.Red("whose id is not known: the login is not served"))
	case d.Unresolved:
		p.Line("team", "%s", p.Red("not resolved: the login is not served"))
	case d.Team != "":
		p.Line("team", "%s (%s): requests of the login are attributed to it", protocol.Printable(d.Team), protocol.Printable(d.TeamID))
	}
	if !d.Expires.IsZero() {
		p.Line("token", "expires %s", ui.When(d.Expires, now))
	}
	if !d.Refreshed.IsZero() {
		p.Line("refreshed", "%s (refreshes since the start: %d)", ui.When(d.Refreshed, now), d.Refreshes)
	}
	if !d.NextRefresh.IsZero() {
		p.Line("next", "%s", ui.When(d.NextRefresh, now))
	}
	p.Line("served", "%d requests, %d connections open", d.Clients, d.Connections)
	if d.LastError != "" {
		p.Line("last error", "%s", p.Red(protocol.Printable(d.LastError)))
		p.Under(protocol.Printable(d.Hint))
	}
	for _, warning := range d.Warnings {
		text, hint, _ := strings.Cut(warning, "\n")
		p.Line("warning", "%s", p.Yellow(protocol.Printable(text)))
		p.Under(protocol.Printable(hint))
	}
}

func (p *page) state(d *protocol.Status) string {
	switch d.State {
	case protocol.StateLoggedIn:
		return p.Green("logged in")
	case protocol.StateLoginRequired:
		return p.Red("the login has ended: log in again")
	case protocol.StateLoggedOut:
		return p.Yellow("logged out")
	case protocol.StateUnavailable:
		return p.Red("no valid token now")
	case protocol.StateKey:
		return fmt.Sprintf("serving %s of the daemon's environment", d.Source)
	}
	return string(d.State)
}

func (p *page) shell(s shell) {
	switch {
	case s.Source == "":
		p.Line("this shell", "%s", p.Yellow("gets no credential"))
	case s.Usable:
		p.Line("this shell", "gets %s", p.Green(s.Source))
	default:
		p.Line("this shell", "would get %s, which is %s", s.Source, p.Yellow("not available now"))
	}
	if len(s.Shadows) > 0 {
		p.Under("which hides: " + strings.Join(s.Shadows, ", "))
	}
	p.Under(s.Note)
	p.Under(s.Hint)
}
