package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/falcred/falcred/cmd/falcred/internal/demo"
	"github.com/spf13/cobra"
)

const demoHelp = `Show what falcred does, with no account and no network.

In a temporary home it starts an identity provider of its own, whose refresh
tokens work once, and the daemon as a process of its own. It signs in, lets 200
clients ask while the login is refreshed again and again, kills the daemon in
the middle of a refresh, and shows what happens without falcred.

All numbers are measured. It exits 0 only if no request to falcred failed and
the issuer saw no refresh token twice.

With --keep it signs nobody in. It leaves the identity provider and a daemon running
until Ctrl-C, and prints the lines that make another terminal use them: there login,
whoami, status, token, team, history and doctor can be tried. Then it ends them and
removes their home, and a service that "falcred service install" made for it. Where
something cannot be ended, it says so, and how to do it. What a demo leaves that is
killed (kill -9), the next one removes.

The demo itself downloads nothing. "go run ./cmd/falcred demo" has Go download the
modules first, where they are not there yet (5 MB), and build the program: a minute
or two on a machine with two processors, a few seconds from then on.`

func newDemo() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "See falcred work: no account, no network, ten seconds",
		Long:    demoHelp,
		Example: "  falcred demo\n  NO_COLOR=1 falcred demo | tee demo.txt\n  falcred demo --keep",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// A terminal that is closed ends it too, and Ctrl-\.
			ctx, stop := signal.NotifyContext(cmd.Context(), append(endings, syscall.SIGHUP, syscall.SIGQUIT)...)
			defer stop()
			// A SIGPIPE does not: killing the daemon makes some. A write that fails is seen where it is made.
			pipes := make(chan os.Signal, 1)
			signal.Notify(pipes, syscall.SIGPIPE)
			defer signal.Stop(pipes)
			run := demo.Run
			if keep {
				run = demo.Keep // which ends by the signal, and well
			}
			return run(ctx, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the identity provider and a daemon running, to try falcred by hand")
	return cmd
}
