package main

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/spf13/cobra"
)

const whoamiHelp = `Say who is logged in: name and address as the issuer has them, the account, since when,
and whom requests of this shell are attributed to.

It asks the daemon, and where none runs, what falcred has written down in the home. It asks nobody
else, and says nothing about keys: falcred status does.

Exit status: 0; 1 nobody is logged in; 3 the login has ended.`

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
	TeamFrom   string     `json:",omitempty"` // …and what says so
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
		who = person{Account: d.Subject, Name: d.Name, Email: d.Email, Issuer: d.Issuer, Unverified: d.Unverified, Team: d.Team}
		who.Ended = d.State == protocol.StateLoginRequired
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
	case p.Name+p.Email+p.Account == "":
		return "an account that falcred will know after the next refresh"
	}
	return cmp.Or(p.Name, p.Email, p.Account)
}

// attributed is whom requests are attributed to, and what says so.
func (p *person) attributed() string {
	switch {
	case p.Team != "":
		return "team " + p.Team + " (" + p.TeamFrom + ")"
	case p.TeamFrom != "":
		return "the login's own account (" + p.TeamFrom + " is set, and empty)"
	}
	return "the login's own account"
}

func (p *person) print(w io.Writer, now time.Time) error {
	page := ui.Page{}
	page.Line("who", "%s", protocol.Printable(p.called()))
	if p.Unverified {
		page.Under("not verified so far: the issuer's keys do not fit its ID token (falcred doctor)")
	}
	if p.Account != "" {
		page.Line("account", "%s", protocol.Printable(p.Account))
	}
	if p.Issuer != "" {
		page.Line("issuer", "%s", protocol.Printable(p.Issuer))
	}
	if p.Since != nil {
		page.Line("since", "%s", ui.When(*p.Since, now))
	}
	if p.Ended {
		page.Line("state", "the login has ended: falcred login")
	} else {
		page.Line("requests", "are attributed to %s", protocol.Printable(p.attributed()))
	}
	_, err := io.WriteString(w, page.String())
	return err
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
				return fmt.Errorf("%s\n%s", s.Error, s.Hint)
			}
			if s.Login == nil {
				return fmt.Errorf("nobody is logged in\n%s", login.LoginHint)
			}
			out := cmd.OutOrStdout()
			var err error
			if asJSON {
				err = printJSON(out, s.Login)
			} else {
				err = s.Login.print(out, time.Now())
			}
			if err == nil && s.Login.Ended {
				err = exitCode(exitEnded)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}
