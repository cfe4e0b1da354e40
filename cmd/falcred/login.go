package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/spf13/cobra"
)

const loginHelp = `Log in to fal: open the address that is shown, on this machine or another, check
that it shows the same code, and confirm.

The login is written to the token file that fal's own programs read. A daemon that
runs notices it; none is needed. A login that is there already is replaced only
when the new one has succeeded, and Ctrl-C changes nothing. A login of fal's is then
shown to fal's REST host, which is asked for the teams that you are in.

Two accounts at once want two homes, each with a daemon of its own: with FAL_HOME_DIR set to
another folder, login and all else are about that one.

Through a pipe it prints lines that a script can read, and no QR code.`

const loginExample = `  falcred login
  FAL_HOME_DIR=~/work/.fal falcred login
  falcred login --connection github
  falcred login --no-browser --qr=always
  falcred login --team acme`

// exitInterrupted is what shells expect of a program that Ctrl-C ended.
const exitInterrupted = 130

// loginFlags are what the command line says.
type loginFlags struct {
	connection, team, qr string
	noBrowser            bool
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
			l := &loginRun{Console: ui.NewConsole(cmd.OutOrStdout()), in: cmd.InOrStdin(), errs: cmd.ErrOrStderr(), shell: environment(), loginFlags: f}
			cfg, err := l.signIn(ctx)
			if errors.Is(err, context.Canceled) {
				fmt.Fprintln(cmd.ErrOrStderr(), "falcred: interrupted; nothing was changed")
				return exitCode(exitInterrupted)
			}
			if err != nil {
				return err
			}
			stop() // the login is kept; Ctrl-C ends the question for a team as it ends any program
			return l.chooseTeam(cmd.Context(), cfg)
		},
	}
	cmd.Flags().StringVar(&f.connection, "connection", "", "sign in with github, google, or the domain of your company's single sign-on")
	cmd.Flags().StringVar(&f.team, "team", "", "attribute requests to this team from now on")
	cmd.Flags().StringVar(&f.qr, "qr", "auto", "show the address as a QR code: auto (on a terminal), always or never")
	cmd.Flags().BoolVar(&f.noBrowser, "no-browser", false, "open no browser")
	return cmd
}

// loginRun is one run of the command.
type loginRun struct {
	*ui.Console
	loginFlags
	in    io.Reader
	errs  io.Writer
	shell func(string) string // the environment, before falcred.env went into it
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
	s, err := ui.Patiently(l.Console, "asking "+cfg.Issuer, func() (*issuer.DeviceLogin, error) {
		if err := login.Keepable(ctx, cfg.Config); err != nil {
			return nil, err // before anybody confirms anything
		}
		return issuer.New(cfg.Issuer, cfg.ClientID, nil).Authorize(ctx, cfg.Scopes, cfg.Audience, l.connection)
	})
	if err != nil {
		return cfg, err
	}
	if err := l.invite(s); err != nil {
		return cfg, err
	}
	granted, err := l.wait(ctx, s)
	if err != nil {
		return cfg, ended(err)
	}
	_, err = ui.Patiently(l.Console, "writing the login", func() (any, error) { return nil, login.Keep(ctx, cfg.Config, granted) })
	if err != nil {
		return cfg, err
	}
	awaitLogin(ctx, l.Out, cfg)
	l.welcome(granted, cfg)
	return cfg, nil
}

// maxQR is the longest address that is shown as a code: a larger one fits no
// screen.
const maxQR = 1000

// invite shows where to confirm, to a person or to a script. The code to compare
// comes last: on a small screen a QR code scrolls the rest away.
func (l *loginRun) invite(s *issuer.DeviceLogin) error {
	if len(s.URL) <= maxQR && (l.qr == "always" || l.qr == "auto" && l.Live) {
		l.QR(s.URL)
	}
	if !l.Live {
		fmt.Fprintf(l.Out, "verification_uri: %s\nverification_uri_complete: %s\nuser_code: %s\n", protocol.Printable(s.PlainURL), protocol.Printable(s.URL), protocol.Printable(s.UserCode))
		if !s.Expires.IsZero() {
			fmt.Fprintf(l.Out, "expires: %s\n", s.Expires.UTC().Format(time.RFC3339))
		}
	} else {
		fmt.Fprintf(l.Out, "Open this address, here or on another machine:\n\n   %s\n\nand check that it shows the code %s\n\n",
			protocol.Printable(s.URL), l.Bold(protocol.Printable(s.UserCode)))
	}
	if !l.noBrowser && hasDesktop() {
		go openBrowser(s.URL)
	}
	return nil
}

// wait says what keeps the issuer's answer from us, if anything does: it may pass.
func (l *loginRun) wait(ctx context.Context, s *issuer.DeviceLogin) (granted *issuer.PendingLogin, err error) {
	if !l.Live {
		return s.Wait(ctx, func(problem string) {
			line := "the issuer answers again"
			if problem != "" {
				line = problem + "; trying again until the code runs out"
			}
			fmt.Fprintln(l.errs, "falcred: "+line)
		})
	}
	var now atomic.Value
	now.Store("")
	err = l.During(func() string {
		text := "waiting for your confirmation" + remaining(s.Expires, time.Now())
		if problem := now.Load().(string); problem != "" {
			text += "; " + problem + "; trying again"
		}
		return text
	}, func() error {
		granted, err = s.Wait(ctx, func(problem string) { now.Store(problem) })
		return err
	})
	return granted, err
}

func remaining(until, now time.Time) string {
	if until.IsZero() {
		return ""
	}
	left := max(0, until.Sub(now).Round(time.Second))
	return fmt.Sprintf("; the code is good for %d:%02d", int(left.Minutes()), int(left.Seconds())%60)
}

// ended puts a hint under what a person did or did not do.
func ended(err error) error {
	if errors.Is(err, issuer.ErrDenied) || errors.Is(err, issuer.ErrExpired) || errors.Is(err, issuer.ErrUsed) {
		return fmt.Errorf("%w\nnothing was changed; to try again: falcred login", err)
	}
	return err
}

func (l *loginRun) welcome(g *issuer.PendingLogin, cfg daemon.Config) {
	who := g.Subject
	switch {
	case g.Name != "" && g.Email != "":
		who = g.Name + " (" + g.Email + ")"
	case g.Name+g.Email != "":
		who = g.Name + g.Email
	}
	if who == "" {
		who = "the account is not known"
	}
	fmt.Fprintf(l.Out, "%s, %s\n", l.Green("logged in"), protocol.Printable(who))
	fmt.Fprintf(l.Out, "the login is in %s\n", filepath.Join(cfg.Home, env.TokenFile))
	if g.Doubt != "" {
		fmt.Fprintln(l.Out, l.Yellow(protocol.Printable(g.Doubt)))
	}
	if key, ok := env.FindKey(l.shell); ok {
		fmt.Fprintf(l.Out, "%s\n", l.Yellow(keyWins(key.Source, " here", "your")))
		fmt.Fprintln(l.Out, keyHint)
	}
}
