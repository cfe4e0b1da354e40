package main

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/spf13/cobra"
)

const whoamiHelp = `Say who is logged in: name and address as the issuer has them, since when, and
for which account or team requests with this login are made.

It asks the daemon; where none runs, it reads what falcred has written down in
the home. It starts no daemon itself; where systemd holds the socket, the question
makes systemd start one. It says nothing about keys: falcred status does.

Exit status: 0; 1 nobody is logged in; 2 an error; 3 the login has ended.`

const whoamiExample = `  falcred whoami
  falcred whoami --json | jq -r .Email`

// person is who is logged in.
type person struct {
	Account    string
	Name       string     `json:",omitempty"`
	Email      string     `json:",omitempty"`
	Unverified bool       `json:",omitempty"` // whose login it is could not be verified, so far
	Issuer     string     `json:",omitempty"`
	Since      *time.Time `json:",omitempty"`
	Ended      bool       `json:",omitempty"`
	Team       string     `json:",omitempty"` // whom requests are attributed to, "" for the account itself…
	TeamFrom   string     `json:",omitempty"` // …and what says so, "" where nothing does
	Trouble    string     `json:",omitempty"` // why no request can be made with the login now…
	Do         string     `json:",omitempty"` // …and what to do
	shared     bool       // it was said by a socket for others, which does not name anybody
}

// whoIs is who is logged in at a home: what its daemon says, d, or where none runs the home itself. It is
// nil where nobody is.
func whoIs(home string, d *protocol.Status, lookup func(string) (string, bool)) *person {
	var who person
	var since time.Time
	if d == nil {
		seen, ok := login.See(home)
		if !ok {
			return nil
		}
		who = person{Account: seen.Account, Name: seen.Name, Email: seen.Email, Issuer: seen.Issuer, Ended: seen.Ended, Unverified: seen.Unverified}
		since = seen.Since
		if config, err := fal.Locate(lookup); err == nil {
			who.Team, _ = config.Team()
		}
	} else {
		if !daemonHasLogin(d) {
			return nil
		}
		who = person{Account: d.Subject, Name: d.Name, Email: d.Email, Issuer: d.Issuer, Unverified: d.Unverified, Team: d.Team, shared: d.Home == ""}
		who.Ended = d.LoginEnded || d.State == protocol.StateLoginRequired // of an older daemon
		since = d.LoginSince
	}
	if !since.IsZero() {
		who.Since = &since
	}
	if who.Team != "" {
		who.TeamFrom = "the fal config"
	}
	if team := env.Team(lookup); team != nil {
		who.Team, who.TeamFrom = *team, env.TeamName
	}
	return &who
}

// called is a person as others are told of: by name and address, else by the account.
func (p *person) called() string {
	switch {
	case p.Name != "" && p.Email != "":
		return p.Name + " (" + p.Email + ")"
	case p.shared:
		return "somebody: a socket for others does not say who"
	case p.Name+p.Email+p.Account == "":
		return "somebody whose name falcred does not know yet"
	}
	return cmp.Or(p.Name, p.Email, p.Account)
}

// account is to whose account the login's requests are attributed.
func (p *person) account() string {
	if p.Team == "" {
		return "your personal account"
	}
	return "team " + p.Team
}

// because is what says so.
func (p *person) because() string {
	switch {
	case p.TeamFrom == "":
		return ""
	case p.Team == "":
		return p.TeamFrom + " is empty"
	}
	return "by " + p.TeamFrom
}

func (p *page) whoami(s *standing) {
	who := s.Login
	p.who(s)
	if who.Account != "" {
		p.Line("account", "%s", protocol.Printable(who.Account))
	}
	if who.Issuer != "" {
		p.Line("issuer", "%s", who.Issuer)
	}
	if who.Ended {
		p.Line("to do", "%s", login.LoginHint)
		return
	}
	whose := shell{For: who.account(), Because: who.because()}.account()
	if who.shared {
		whose = "whom its owner has chosen"
	}
	if who.Trouble != "" {
		p.Line("requests", "cannot be made for %s: %s", protocol.Printable(whose), protocol.Printable(who.Trouble))
		p.Under(protocol.Printable(who.Do))
		return
	}
	with := ""
	if source := s.Shell.Source; source != "" && source != sourceLogin {
		with = "with the login, and not with " + source + " as in this shell, "
	}
	p.Line("requests", "%sare made for %s", with, protocol.Printable(whose))
	if who.Team != "" && s.Shell.Source == sourceLogin {
		p.Under(sdkSendsNoTeam)
	}
}

func newWhoami() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "whoami",
		Short:   "Say who is logged in",
		Long:    whoamiHelp,
		Example: whoamiExample,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, _ := waiting(cmd.ErrOrStderr(), "asking the daemon", statusPatience, func() (*standing, error) { return stand(cmd.Context()), nil })
			if s.Error != "" {
				return noAnswer{fmt.Errorf("%s\n%s", s.Error, s.Hint)}
			}
			if s.Login == nil {
				return fmt.Errorf("nobody is logged in\n%s", login.LoginHint)
			}
			out := cmd.OutOrStdout()
			var err error
			if asJSON {
				err = printJSON(out, s.Login)
			} else {
				p := newPage(out, time.Now())
				p.whoami(s)
				_, err = io.WriteString(out, p.String())
			}
			switch {
			case err != nil:
				return noAnswer{err}
			case s.Login.Ended:
				return exitCode(exitEnded)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}
