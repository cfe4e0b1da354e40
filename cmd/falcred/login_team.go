package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/protocol"
)

// offerPatience is how long somebody who has named no team waits to be offered one.
const offerPatience = 5 * time.Second

// chooseTeam does what the fal CLI does after a login: a team that the new
// login is not in is unset, and a person who has a choice is asked.
func (l *loginRun) chooseTeam(ctx context.Context, cfg daemon.Config) error {
	if cfg.REST == "" {
		return nil
	}
	access, ok := login.ValidAccess(cfg.Home)
	if !ok {
		return nil // an issuer that grants none at first
	}
	limited := ctx
	if chosen, err := cfg.FalConfig.Team(); err == nil && chosen == "" && l.team == "" {
		// Nobody waits for what nobody asked for.
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, offerPatience)
		defer cancel()
	}
	list, err := login.Accounts(limited, cfg.Config, access)
	if err != nil {
		if l.team != "" {
			return fmt.Errorf("you are logged in, but the team was not set: %w\ntry again: falcred team set %s", err, l.team)
		}
		if chosen, unread := cfg.FalConfig.Team(); chosen != "" || unread != nil {
			fmt.Fprintln(l.Out, l.Yellow("could not check whether the team chosen here is yours: "+protocol.Printable(err.Error())))
		}
		return nil
	}
	chosen, err := cfg.FalConfig.Team()
	if err != nil {
		return err
	}
	if _, found := fal.FindAccount(list, chosen); chosen != "" && !found {
		if err := cfg.FalConfig.SetTeam(""); err != nil {
			return err
		}
		fmt.Fprintf(l.Out, "you are not a member of team %s: requests are attributed to your personal account now\n", protocol.Printable(chosen))
		chosen = ""
	}
	name := l.team
	if name == "" && l.asks && len(list) > 1 {
		if name, err = l.ask(ctx, list, chosen); err != nil || name == "" {
			return err
		}
	}
	if name == "" {
		return nil
	}
	account, found := fal.FindAccount(list, name)
	if !found {
		return fmt.Errorf("you are logged in, but are not a member of team %q\nsee which there are: falcred team list", name)
	}
	if err := setTeam(l.Out, cfg, account.Nickname); err != nil {
		return err
	}
	fmt.Fprintf(l.Out, "requests are attributed to %s\n", l.Bold(protocol.Printable(account.Nickname)))
	if !account.IsPersonal {
		fmt.Fprintln(l.Out, l.Wrap(sdkSendsNoTeam))
	}
	return nil
}

// ask lets a person choose by number or name; an empty line keeps what is.
func (l *loginRun) ask(ctx context.Context, list []fal.Account, chosen string) (string, error) {
	fmt.Fprintln(l.Out, "\nWhich account should requests be attributed to?")
	for i, s := range selectables(list, chosen) {
		mark := " "
		if s.Selected {
			mark = "*"
		}
		fmt.Fprintf(l.Out, " %s %d  %s (%s)\n", mark, i+1, protocol.Printable(s.Nickname), s.Type)
	}
	for {
		answer, err := l.line(ctx, "number or name (Enter keeps *): ")
		if answer == "" || err != nil {
			return "", nil
		}
		if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(list) {
			return list[n-1].Nickname, nil
		}
		if account, found := fal.FindAccount(list, answer); found {
			return account.Nickname, nil
		}
		fmt.Fprintln(l.Out, l.Wrap(protocol.Printable(answer)+" is not in the list"))
	}
}
