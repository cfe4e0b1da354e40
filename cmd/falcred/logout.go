package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
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
			cfg, err := daemon.Look(version())
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			switch err := signOut(cmd.Context(), cfg, local); {
			case errors.Is(err, protocol.ErrNotFound):
				_, err := fmt.Fprintln(out, "nobody was logged in")
				return err
			case err != nil:
				return err
			}
			file := filepath.Join(cfg.Home, protocol.TokenFile)
			if local {
				fmt.Fprintf(out, "deleted %s; the login was not revoked at %s\n", file, cfg.Issuer)
			} else {
				fmt.Fprintf(out, "logged out: revoked at %s, and deleted %s\n", cfg.Issuer, file)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&local, "local", false, "delete the login here without revoking it")
	return cmd
}

// signOut leaves it to a daemon that runs: it may hold a newer token than the
// file, and would put the login back otherwise (F7).
func signOut(ctx context.Context, cfg daemon.Config, local bool) error {
	client := helper.New(os.LookupEnv)
	defer client.Close()
	err := client.Erase(ctx, protocol.Query{ServerURL: protocol.DefaultServer, Local: local})
	if errors.Is(err, helper.ErrNotRunning) {
		return daemon.SignOut(cfg, local)
	}
	return err
}
