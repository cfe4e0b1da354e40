package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

const rootHelp = `falcred owns the fal login of this home: it alone refreshes it,
ahead of time and safely, and serves credentials over a local socket.

A login's refresh token works once, and using it twice ends the login. With
falcred running, no script and no SDK has to refresh any more.`

const rootExample = `  falcred demo              see it work: no account, no network
  falcred login             log in to fal
  falcred run               the daemon, in the foreground
  falcred service install   the daemon, as a service of yours
  falcred status            what it holds, and what this shell would get
  falcred whoami            who is logged in
  falcred token             this shell's credential; scripts: docker-credential-fal
  falcred restart           the daemon anew, after an upgrade; stop ends it
  falcred history           why was I logged out?
  falcred follow SOCKET     use the login of another machine
  falcred doctor            what could go wrong on this machine`

// run is falcred without the process around it: its arguments, its three
// streams, and its exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return report(stderr, withStartLine(context.Background(), root.Execute()))
}

// moreCommands are those of builds with tags.
var moreCommands []func() *cobra.Command

func newRoot() *cobra.Command {
	var asked bool
	root := &cobra.Command{
		Use:     "falcred",
		Short:   "A credential daemon for fal.ai logins",
		Long:    rootHelp,
		Example: rootExample,
		Args:    knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asked {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), versionLine())
				return err
			}
			return cmd.Help()
		},
		SilenceUsage:  true,
		SilenceErrors: true,

		SuggestionsMinimumDistance: 2,
	}
	// cobra's own --version prints by a template, for which the linker keeps a fifth more of falcred.
	root.Flags().BoolVarP(&asked, "version", "v", false, "version for falcred")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{err.Error(), helpHint(cmd)}
	})
	root.AddCommand(newLogin(), newLogout(), newRun(), newStop(), newRestart(), newService(), newStatus(), newWhoami(), newToken(), newTeam(), newHistory(), newDoctor(), newFollow(), newDemo(), newVersion())
	for _, more := range moreCommands {
		root.AddCommand(more())
	}
	return root
}

// knownCommand is asked about what follows falcred and is no command of it.
func knownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := helpHint(root)
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf("did you mean %s? %s", near[0], hint)
	}
	return usageError{fmt.Sprintf("unknown command %q", args[0]), hint}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError{fmt.Sprintf("%s takes no arguments, and got %q", cmd.CommandPath(), args[0]), helpHint(cmd)}
}

func helpHint(cmd *cobra.Command) string { return "see: " + cmd.CommandPath() + " --help" }
