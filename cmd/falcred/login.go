package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/protocol"
	"github.com/spf13/cobra"
)

const loginHelp = `Log in to fal: open the address that is shown, on this machine or another, check
that it shows the same code, and confirm.

The login is written to the token file that fal's own programs read. A daemon
that runs notices it; none is needed. A login that is there already is replaced
only when the new one has succeeded, and Ctrl-C changes nothing. The issuer keeps
the old one; to end that, falcred logout first. Where another account has logged in
meanwhile, falcred says so, and asks again on a terminal. A login of fal's is then
shown to fal's REST host, which is asked for the teams that you are in.

A browser that is logged in gives the same account again: --switch-account has it
log out first, at the issuer's own page. Two accounts at once want two homes, each
with a daemon of its own: with FAL_HOME_DIR set to another folder, login and all
else are about that one.

The page is opened by the program that BROWSER names, of several the first that is
there (BROWSER=one:two), else by the desktop; by none in a session of ssh, in WSL,
or without a display. Without --connection, fal's
page signs you in as it did the last time, here or with fal auth login.

Through a pipe nothing is asked; there are lines for a script, and no QR code.`

const loginExample = `  falcred login
  FAL_HOME_DIR=~/work/.fal falcred login
  falcred login --connection github
  falcred login --switch-account
  falcred login --no-browser --qr=always
  falcred login --team acme`

// exitInterrupted is what shells expect of a program that Ctrl-C ended.
const exitInterrupted = 130

// loginFlags are what the command line says.
type loginFlags struct {
	connection, team, qr     string
	noBrowser, switchAccount bool
}

func newLogin() *cobra.Command {
	var f loginFlags
	cmd := &cobra.Command{
		Use:     "login",
		Short:   "Log in to fal",
		Long:    loginHelp,
		Example: loginExample,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.qr != "auto" && f.qr != "always" && f.qr != "never" {
				return usageError{"--qr is not one of auto, always and never: " + f.qr, helpHint(cmd)}
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), endings...)
			defer stop()
			l := newLoginRun(cmd, f)
			cfg, err := l.signIn(ctx)
			switch {
			case errors.Is(err, context.Canceled):
				fmt.Fprintln(cmd.ErrOrStderr(), "falcred: interrupted; nothing was changed")
				return exitCode(exitInterrupted)
			case errors.Is(err, errStays):
				fmt.Fprintln(l.Out, "nothing was changed")
				return nil
			case err != nil:
				return err
			}
			stop() // the login is kept; Ctrl-C ends a question as it ends any program
			if err := l.chooseTeam(cmd.Context(), cfg); err != nil {
				return err
			}
			return l.keepFresh(cmd.Context(), cfg)
		},
	}
	cmd.Flags().StringVar(&f.connection, "connection", "", "sign in with github, google, or the domain of your company's single sign-on")
	cmd.Flags().StringVar(&f.team, "team", "", "attribute requests to this team from now on")
	cmd.Flags().StringVar(&f.qr, "qr", "auto", "show the address as a QR code: auto (on a terminal), always or never")
	cmd.Flags().BoolVar(&f.noBrowser, "no-browser", false, "open no browser")
	cmd.Flags().BoolVar(&f.switchAccount, "switch-account", false, "have the browser log out first, for another account")
	return cmd
}

// loginRun is one run of the command.
type loginRun struct {
	*ui.Console
	loginFlags
	in      *bufio.Reader
	asks    bool // somebody is there to be asked
	errs    io.Writer
	shell   func(string) string // the environment, before falcred.env went into it…
	environ []string            // …and for a program that is to have no more
}

func newLoginRun(cmd *cobra.Command, f loginFlags) *loginRun {
	l := &loginRun{Console: ui.NewConsole(cmd.OutOrStdout()), loginFlags: f, in: bufio.NewReader(cmd.InOrStdin()),
		errs: cmd.ErrOrStderr(), shell: environment(), environ: os.Environ()}
	l.asks = l.Live && ui.IsTerminal(cmd.InOrStdin())
	return l
}

func (l *loginRun) signIn(ctx context.Context) (daemon.Config, error) {
	cfg, err := load()
	if err != nil {
		return cfg, err
	}
	if err := cfg.CheckIssuer(); err != nil {
		return cfg, err
	}
	defer events.Quiet(cfg.Home)()
	if l.team != "" && cfg.REST == "" {
		return cfg, errNoTeams(cfg)
	}
	for _, odd := range cfg.EnvOdd { // it may name another issuer than was meant
		fmt.Fprintln(l.errs, "falcred: "+odd)
	}
	_, err = ui.Patiently(l.Console, "looking at "+cfg.Home, func() (any, error) { return nil, login.Keepable(ctx, cfg.Config) })
	if err != nil {
		return cfg, err // before anybody answers or confirms anything
	}
	provider := issuer.New(cfg.Issuer, cfg.ClientID, nil)
	over, err := l.replace(ctx, cfg, provider)
	if err != nil {
		return cfg, err
	}
	if err := l.endSession(ctx, cfg, provider); err != nil {
		return cfg, err
	}
	connection := l.connectionFor(cfg)
	s, err := ui.Patiently(l.Console, "asking "+cfg.Issuer, func() (*issuer.DeviceLogin, error) {
		return provider.Authorize(ctx, cfg.Scopes, cfg.Audience, connection)
	})
	if err != nil {
		return cfg, err
	}
	l.invite(s)
	granted, err := l.wait(ctx, s)
	if err != nil {
		return cfg, ended(err)
	}
	if err := l.keep(ctx, cfg, granted, over); err != nil {
		return cfg, err
	}
	if l.connection != "" {
		login.SaveConnection(cfg.Home, connection) // it is only offered again; the login is kept either way
	}
	awaitLogin(ctx, l.Out, cfg)
	l.welcome(granted, cfg, over)
	return cfg, nil
}

// keep writes the login, in the place of the one that replace has told of. Somebody may have logged
// in here since then: what the newest login wants counts, and it is said whose the lost one is.
func (l *loginRun) keep(ctx context.Context, cfg daemon.Config, granted *issuer.PendingLogin, over login.Seen) error {
	for {
		_, err := ui.Patiently(l.Console, "writing the login", func() (any, error) { return nil, login.Keep(ctx, cfg.Config, granted, &over) })
		another := new(login.Another)
		if !errors.As(err, &another) {
			return err
		}
		over = another.Seen
		who := person{Account: over.Account, Name: over.Name, Email: over.Email}
		name := protocol.Printable(who.called())
		if !l.asks || over.Account != "" && over.Account == granted.Subject { // who changes nothing for himself is not asked
			l.note("%s has logged in here meanwhile; this login replaces that one", name)
			continue
		}
		l.note("%s has logged in here meanwhile.", name)
		yes, err := l.yes(ctx, "Put the login that you have just confirmed in the place of that one? [y/N] ", false)
		if err != nil {
			return err
		}
		if !yes {
			l.note("The login that you have just confirmed is not kept.")
			return errStays
		}
	}
}

// ended puts a hint under what a person did or did not do.
func ended(err error) error {
	if errors.Is(err, issuer.ErrDenied) || errors.Is(err, issuer.ErrExpired) || errors.Is(err, issuer.ErrUsed) {
		return fmt.Errorf("%w\nnothing was changed; to try again: falcred login", err)
	}
	return err
}
