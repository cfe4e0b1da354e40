package main

import (
	"fmt"
	"slices"

	"github.com/falcred/falcred/packaging/service"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/peer"
	"github.com/spf13/cobra"
)

const serviceHelp = `Run falcred as a service of systemd, OpenRC, SysV's init or launchd. It starts by
itself, comes back after a crash (SysV: with the next request), and survives
reboots and upgrades. A desktop session without a service manager starts it too, and
so does Windows when you log in.

By default it is your own service and serves your own login. --system makes it
one of the machine for the user that --run-as names, who need not log in.

Each home is a service of its own: FAL_HOME_DIR says which one is meant. What
else the daemon is to know belongs into falcred.env in that home.

Exit status: 0; 1 it failed; 2 a mistake on the command line; 3 the service does not
run (status); 4 there is none.`

const serviceExample = `  falcred service install
  falcred service status
  FAL_HOME_DIR=~/work/.fal falcred service install
  sudo falcred service install --system --run-as ann
  falcred service uninstall --purge`

// serviceFlags are what the command line says.
type serviceFlags struct {
	system bool
	runAs  string
	purge  bool
}

func newService() *cobra.Command {
	f := &serviceFlags{}
	cmd := &cobra.Command{
		Use:     "service",
		Short:   "Run falcred as a service",
		Long:    serviceHelp,
		Example: serviceExample,
		Args:    knownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	cmd.PersistentFlags().BoolVar(&f.system, "system", false, "a service of the machine (needs root, and --run-as)")
	cmd.PersistentFlags().StringVar(&f.runAs, "run-as", "", "the `user` whose login a --system service serves")
	uninstall := f.command("uninstall", "Stop the service and remove what install wrote")
	uninstall.Flags().BoolVar(&f.purge, "purge", false, "remove falcred's own files in the home too, never the login")
	cmd.AddCommand(
		f.command("install", "Install the service and start it; again: upgrade it"),
		uninstall,
		f.command("start", "Start the service"),
		f.command("stop", "Stop the service"),
		f.command("restart", "Restart the service"),
		f.command("status", "Show the service as the platform's own tool does"),
	)
	return cmd
}

func (f *serviceFlags) command(verb, short string) *cobra.Command {
	return &cobra.Command{
		Use:     verb,
		Short:   short,
		Example: "  falcred service " + verb + "\n  sudo falcred service " + verb + " --system --run-as ann",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.system != (f.runAs != "") {
				return usageError{"--system and --run-as belong together: a service of the machine serves one user's login", helpHint(cmd)}
			}
			if f.system && f.purge {
				return usageError{"--purge removes files in a user's home, which root does not touch",
					"leave --purge out; then, as " + f.runAs + ": falcred service uninstall --purge"}
			}
			if !peer.Serves && slices.Contains([]string{"install", "start", "restart"}, verb) {
				return peer.ErrNotServed // a daemon that can only refuse would be started again and again
			}
			s, err := service.Of(f.runAs, cmd.OutOrStdout(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			code, err := s.Do(cmd.Context(), verb)
			switch {
			case err != nil && code > 1:
				report(cmd.ErrOrStderr(), err)
				return exitCode(code)
			case err != nil:
				return err
			case code != 0:
				return exitCode(code)
			case verb == "uninstall" && f.purge:
				return purge(cmd.Context(), s, cmd.OutOrStdout())
			case verb == "uninstall":
				fmt.Fprintf(cmd.OutOrStdout(), "the login and falcred's files in %s are left as they are\n", s.Home)
			case verb == "stop":
				fmt.Fprintf(cmd.OutOrStdout(), "falcred is stopped (%s)\n", protocol.Printable(s.State(cmd.Context()).Unit))
			case verb == "start" || verb == "restart":
				fmt.Fprintf(cmd.OutOrStdout(), "falcred runs (%s)\n", protocol.Printable(s.State(cmd.Context()).Unit))
			}
			return nil
		},
	}
}
