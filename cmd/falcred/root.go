package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const rootHelp = `falcred owns the fal login of this home: it alone refreshes it,
ahead of time and safely, and serves credentials over a local socket.

A login's refresh token works once, and using it twice ends the login. With
falcred running, no script and no SDK has to refresh any more.

fal's SDK for Python and the fal CLI read the login's file, as before. Scripts, curl
and other programs take a credential from the second program, docker-credential-fal:
see docker-credential-fal --help (a package brings man pages, too).

Exit status: 0; 1 it failed; 2 a mistake on the command line. Where a command has
more than these, its own help says so.`

const rootExample = `  falcred demo              see it work: no account, no network
  falcred login             log in to fal
  falcred run               the daemon, in the foreground
  falcred service install   the daemon, as a service of yours
  falcred status            what it holds, and what this shell would get
  falcred whoami            who is logged in
  falcred token             this shell's credential
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
		return usageError{plainly(err), helpHint(cmd)}
	})
	root.SetHelpFunc(printHelp)
	root.SetHelpCommand(newHelp())
	root.AddCommand(newLogin(), newLogout(), newRun(), newStop(), newRestart(), newService(), newStatus(), newWhoami(), newToken(), newTeam(), newHistory(), newDoctor(), newFollow(), newDemo(), newCompletion(), newVersion())
	for _, more := range moreCommands {
		root.AddCommand(more())
	}
	completions(root)
	return root
}

// knownCommand is asked about what follows falcred and is no command of it.
func knownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := helpHint(root)
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf("did you mean %s? %s", strings.Join(near, ", or "), hint)
	}
	return usageError{fmt.Sprintf("unknown command %q", args[0]), hint}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError{fmt.Sprintf("%s takes no arguments, and got %q", cmd.CommandPath(), args[0]), helpHint(cmd)}
}

// atMostOne is for commands that take one argument, or none.
func atMostOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= 1 {
			return nil
		}
		return usageError{fmt.Sprintf("%s takes one argument at most: %s", cmd.CommandPath(), what), helpHint(cmd)}
	}
}

// plainly is an error about a flag, in words.
func plainly(err error) string {
	var (
		invalid *pflag.InvalidValueError
		missing *pflag.ValueRequiredError
		unknown *pflag.NotExistError
	)
	switch {
	case errors.As(err, &invalid):
		wants := map[string]string{"int": "a whole number", "bool": "no value, or true or false", "duration": "a duration, such as 300s, 15m or 2h"}
		f := invalid.GetFlag()
		return fmt.Sprintf("%s wants %s, and got %q", given(f), cmp.Or(wants[f.Value.Type()], "another value"), invalid.GetValue())
	case errors.As(err, &missing):
		return given(missing.GetFlag()) + " wants a value"
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return "unknown flag: -" + unknown.GetSpecifiedName()
	}
	return err.Error()
}

// given is a flag as errors name it: by both its names.
func given(f *pflag.Flag) string {
	if f.Shorthand != "" {
		return "-" + f.Shorthand + " (--" + f.Name + ")"
	}
	return "--" + f.Name
}

func helpHint(cmd *cobra.Command) string { return "see: " + cmd.CommandPath() + " --help" }
