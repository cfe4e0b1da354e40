package main

import (
	"errors"
	"os/signal"

	"github.com/falcred/falcred/cmd/falcred/internal/demo"
	"github.com/spf13/cobra"
)

const demoHelp = `Show what falcred does, with no account and no network.

In a temporary home it starts an identity provider of its own, whose refresh
tokens work once, and the daemon as a process of its own. It signs in, lets 200
clients ask while the login is refreshed again and again, kills the daemon in
the middle of a refresh, and shows what happens without falcred.

All numbers are measured. It exits 0 only if no request to falcred failed and
the issuer saw no refresh token twice.`

func newDemo() *cobra.Command {
	return &cobra.Command{
		Use:     "demo",
		Short:   "See falcred work: no account, no network, ten seconds",
		Long:    demoHelp,
		Example: "  falcred demo\n  NO_COLOR=1 falcred demo | tee demo.txt",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), endings...)
			defer stop()
			err := demo.Run(ctx, cmd.OutOrStdout())
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			return err
		},
	}
}
