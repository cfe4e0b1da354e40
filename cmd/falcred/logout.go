package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/spf13/cobra"
)

const logoutHelp = `Log out: revoke the login at its issuer, delete the token file, and unset the
team. While the issuer cannot be reached nothing is done; --local deletes the
file all the same, and whoever has a copy of it stays logged in.

Your browser stays logged in at the issuer, and gives the same account to the next
login. For another one: falcred login --switch-account`

func newLogout() *cobra.Command {
	var local bool
	cmd := &cobra.Command{
		Use:     "logout",
		Short:   "Log out of fal",
		Long:    logoutHelp,
		Example: "  falcred logout\n  falcred logout --local",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := look()
			if err != nil {
				return err
			}
			if err := cfg.CheckIssuer(); err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			who := loggedIn(cmd.Context(), cfg)
			team, _ := cfg.FalConfig.Team() // which a daemon unsets before we could
			done, err := waiting(cmd.ErrOrStderr(), "logging out", logoutPatience, func() (protocol.EraseAnswer, error) {
				return signOut(cmd.Context(), cfg, local)
			})
			if errors.Is(err, protocol.ErrNotFound) {
				fmt.Fprintln(out, "nobody was logged in")
				return unsetTeam(cfg)
			}
			if err != nil {
				return err
			}
			fmt.Fprintln(out, signedOut(cfg, who, done.Revoked, local))
			if err := unsetTeam(cfg); err != nil || team == "" || cfg.REST == "" {
				return err
			}
			team = protocol.Printable(team)
			fmt.Fprintf(out, "team %s is unset, too; to choose it again after the next login: falcred team set %[1]s\n", team)
			return nil
		},
	}
	cmd.Flags().BoolVar(&local, "local", false, "delete the login here without revoking it")
	return cmd
}

// signedOut says what was done. An issuer answers the revocation of a token that is none, or none
// any more, as any other (RFC 7009 §2.2): what it revoked is known only where it was known before
// whose login that was.
func signedOut(cfg daemon.Config, who *person, revoked, local bool) string {
	file := filepath.Join(cfg.Home, env.TokenFile)
	switch {
	case who != nil && who.Ended:
		return fmt.Sprintf("deleted %s; the login in it had ended before", file)
	case revoked && (who == nil || who.Account == ""):
		return fmt.Sprintf("logged out: deleted %s, and had %s revoke what was in it\nwhether that was a valid login is not known: falcred had not used it", file, cfg.Issuer)
	case revoked:
		return fmt.Sprintf("logged out: revoked at %s, and deleted %s", cfg.Issuer, file)
	case local:
		return fmt.Sprintf("logged out here: deleted %s; not revoked at %s, so a copy of the file still works", file, cfg.Issuer)
	}
	return fmt.Sprintf("logged out here: deleted %s; %s cannot revoke logins, so a copy of the file still works", file, cfg.Issuer)
}

// logoutPatience is more than a daemon needs, however long a neighbour holds the lock: 5 s
// to find the issuer's endpoints, 25 s for the lock, 17 s under it.
const logoutPatience = 50 * time.Second

// signOut leaves it to a daemon that runs: it may hold a newer token than the
// file, and would put the login back otherwise (F7).
func signOut(ctx context.Context, cfg daemon.Config, local bool) (protocol.EraseAnswer, error) {
	ctx, cancel := bounded(ctx, logoutPatience)
	defer cancel()
	client := helper.New(os.LookupEnv)
	defer client.Close()
	done, err := client.Erase(ctx, protocol.Query{ServerURL: protocol.DefaultServer, Local: local})
	// Where no socket can be no daemon is.
	if errors.Is(err, helper.ErrNotRunning) || errors.Is(err, env.ErrPathTooLong) {
		// Not to be left half done: revoked, and still in the file. The lock bounds it.
		// They are caught, since signal.Reset does not undo signal.Ignore.
		unheard := make(chan os.Signal, 1)
		signal.Notify(unheard, endings...)
		defer signal.Stop(unheard)
		return login.Logout(cfg.Config, local)
	}
	return done, err
}

// unsetTeam: the daemon's fal config can be another than this shell's. Teams are
// fal's, and another issuer's logout leaves them alone.
func unsetTeam(cfg daemon.Config) error {
	if cfg.REST == "" {
		return nil
	}
	return cfg.FalConfig.UnsetTeam()
}
