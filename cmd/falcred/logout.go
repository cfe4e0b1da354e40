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
file all the same, and whoever has a copy of it stays logged in.`

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
			file := filepath.Join(cfg.Home, env.TokenFile)
			switch {
			case done.Revoked:
				fmt.Fprintf(out, "logged out: revoked at %s, and deleted %s\n", cfg.Issuer, file)
			case local:
				fmt.Fprintf(out, "logged out here: deleted %s; not revoked at %s, so a copy of the file still works\n", file, cfg.Issuer)
			default:
				fmt.Fprintf(out, "logged out here: deleted %s; %s cannot revoke logins, so a copy of the file still works\n", file, cfg.Issuer)
			}
			return unsetTeam(cfg)
		},
	}
	cmd.Flags().BoolVar(&local, "local", false, "delete the login here without revoking it")
	return cmd
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
