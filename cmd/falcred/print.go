package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"
	"unicode"

	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/peer"
)

// page is a list of names and what they stand for, in two columns.
type page struct {
	strings.Builder
	paint
}

func (p *page) line(name, format string, args ...any) {
	fmt.Fprintf(p, "%-12s%s\n", name, fmt.Sprintf(format, args...))
}

// under continues the line above.
func (p *page) under(text string) {
	if text != "" {
		p.line("", "%s", text)
	}
}

func (s *standing) print(w io.Writer, colour paint, now time.Time) error {
	p := &page{paint: colour}
	if s.Daemon != nil {
		p.line("daemon", "%s, pid %d, version %s, since %s", p.green("running"), s.Daemon.PID, s.Daemon.Version, when(s.Daemon.Since, now))
	} else if s.Error == "" && !peer.Serves {
		p.line("daemon", "%s", p.yellow("falcred does not serve on "+runtime.GOOS))
	} else if s.Error == "" {
		p.line("daemon", "%s", p.yellow("not running"))
	}
	if s.Home != "" {
		p.line("home", "%s", s.Home)
		p.line("socket", "%s", s.Socket)
	}
	if s.Daemon != nil {
		p.daemon(s.Daemon, now)
	}
	if s.Error != "" {
		p.line("error", "%s", p.red(s.Error))
		p.under(s.Hint)
	} else {
		p.shell(s.Shell)
	}
	_, err := io.WriteString(w, p.String())
	return err
}

func (p *page) daemon(d *protocol.Status, now time.Time) {
	p.line("issuer", "%s", d.Issuer)
	p.line("state", "%s", p.state(d))
	if d.Subject != "" {
		p.line("login", "%s", printable(d.Subject))
	}
	switch {
	case d.State == protocol.StateLoggedOut: // nothing to attribute
	case d.Unresolved && d.Team != "":
		p.line("team", "%s, %s", printable(d.Team), p.red("which is not resolved: the login is not served"))
	case d.Unresolved:
		p.line("team", "%s", p.red("not resolved: the login is not served"))
	case d.Team != "":
		p.line("team", "%s (%s): requests of the login are attributed to it", printable(d.Team), printable(d.TeamID))
	}
	if !d.Expires.IsZero() {
		p.line("token", "runs out %s", when(d.Expires, now))
	}
	if !d.Refreshed.IsZero() {
		p.line("refreshed", "%s (refreshes since the start: %d)", when(d.Refreshed, now), d.Refreshes)
	}
	if !d.NextRefresh.IsZero() {
		p.line("next", "%s", when(d.NextRefresh, now))
	}
	p.line("served", "%d requests, %d connections open", d.Clients, d.Connections)
	if d.LastError != "" {
		p.line("last error", "%s", p.red(printable(d.LastError)))
		p.under(printable(d.Hint))
	}
	for _, warning := range d.Warnings {
		p.line("warning", "%s", p.yellow(printable(warning)))
	}
}

func (p *page) state(d *protocol.Status) string {
	switch d.State {
	case protocol.StateLoggedIn:
		return p.green("logged in")
	case protocol.StateLoginRequired:
		return p.red("the issuer has ended the login: log in again")
	case protocol.StateLoggedOut:
		return p.yellow("logged out")
	case protocol.StateUnavailable:
		return p.red("no valid token now")
	case protocol.StateKey:
		return fmt.Sprintf("serving %s of the daemon's environment", d.Source)
	}
	return string(d.State)
}

func (p *page) shell(s shell) {
	switch {
	case s.Source == "":
		p.line("this shell", "%s", p.yellow("gets no credential"))
	case s.Usable:
		p.line("this shell", "gets %s", p.green(s.Source))
	default:
		p.line("this shell", "would get %s, which is %s", s.Source, p.yellow("not to be had now"))
	}
	if len(s.Shadows) > 0 {
		p.under("which hides: " + strings.Join(s.Shadows, ", "))
	}
	p.under(s.Note)
	p.under(s.Hint)
}

// printable keeps what an issuer has named from commanding the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf) { // Cf turns the direction of writing
			return '?'
		}
		return r
	}, s)
}

// when gives a time as people look for it, and how far it is.
func when(t, now time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	far := "in " + span(t.Sub(now))
	if t.Before(now) {
		far = span(now.Sub(t)) + " ago"
	}
	return fmt.Sprintf("%s (%s)", t.Local().Format("2006-01-02 15:04:05 MST"), far)
}

// span rounds a duration to what matters of it.
func span(d time.Duration) string {
	minutes, hours := int(d.Minutes()), int(d.Hours())
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", minutes)
	case hours < 48:
		return fmt.Sprintf("%d h %d min", hours, minutes%60)
	}
	return fmt.Sprintf("%d d %d h", hours/24, hours%24)
}
