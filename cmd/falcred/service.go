package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/falcred/falcred/protocol/peer"
	"github.com/spf13/cobra"
)

const serviceHelp = `Run falcred as a service of systemd or launchd. It starts by itself, comes back
after a crash, and survives reboots and upgrades.

By default it is your own service and serves your own login. --system makes it
one of the machine for the user that --run-as names, who need not log in.

Each home is a service of its own: FAL_HOME_DIR says which one is meant. What
else the daemon is to know belongs into falcred.env in that home.`

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
	cmd.PersistentFlags().StringVar(&f.runAs, "run-as", "", "whose login a --system service serves")
	uninstall := f.command("uninstall", "Stop the service and remove what install wrote", (*service).remove)
	uninstall.Flags().BoolVar(&f.purge, "purge", false, "remove falcred's own files in the home too, never the login")
	cmd.AddCommand(
		f.command("install", "Install the service and start it; again: upgrade it", (*service).install),
		uninstall,
		f.command("start", "Start the service", (*service).start),
		f.command("stop", "Stop the service", (*service).stop),
		f.command("restart", "Restart the service", (*service).restart),
		f.command("status", "Show the service as the platform's own tool does", (*service).status),
	)
	return cmd
}

func (f *serviceFlags) command(name, short string, do func(*service, context.Context) error) *cobra.Command {
	return &cobra.Command{
		Use:     name,
		Short:   short,
		Example: "  falcred service " + name + "\n  sudo falcred service " + name + " --system --run-as ann",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.system != (f.runAs != "") {
				return usageError{"--system and --run-as belong together: a service of the machine serves one user's login", helpHint(cmd)}
			}
			if f.system && f.purge {
				return usageError{"--purge removes files in a user's home, which root does not touch",
					"leave --purge out; then, as " + f.runAs + ": falcred service uninstall --purge"}
			}
			if !peer.Serves && slices.Contains([]string{"install", "start", "restart"}, name) {
				return peer.ErrNotServed // a daemon that can only refuse would be started again and again
			}
			s, err := newServiceOf(f, cmd.OutOrStdout(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return do(s, cmd.Context())
		},
	}
}

// service is one home's service. Its methods that differ by platform stand in
// the files of these.
type service struct {
	name     string // of the unit, agent or task, without what the platform adds
	home     string // the login's
	standard bool   // home is ~/.fal
	socket   string
	env      map[string]string // what the daemon has to know: its home and socket
	user     account
	system   bool
	purge    bool
	out, err io.Writer
}

func (s *service) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

// self is the command that does something to this very service.
func (s *service) self(verb string) string {
	line := "falcred service " + verb
	if s.system {
		return "sudo " + line + " --system --run-as " + shellWord(s.user.name)
	}
	if !s.standard {
		return "FAL_HOME_DIR=" + shellWord(s.home) + " " + line
	}
	return line
}

// shellWord is text as a shell takes it for one word.
func shellWord(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+@:,", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// remove undoes install, and with --purge what the daemon has left as well.
func (s *service) remove(ctx context.Context) error {
	if err := s.uninstall(ctx); err != nil {
		return err
	}
	if s.purge {
		return s.clean(ctx)
	}
	s.say("the login and falcred's files in %s are left as they are", s.home)
	return nil
}
