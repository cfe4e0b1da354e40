package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
	"github.com/spf13/cobra"
)

const statusHelp = `Ask the daemon how it stands, and say which credential this shell would get.

It starts no daemon itself; where systemd holds the socket, as the package has it, the
question makes systemd start one. It asks for no refresh, and prints no secret.

Exit status: 0 there is a usable credential, 1 there is none, 2 an error.`

const statusExample = `  falcred status
  falcred status --json | jq .Daemon.Expires
  falcred status --watch    print it anew at each change, until Ctrl-C
  falcred status >/dev/null || echo "log in first"`

// What status says to scripts.
const (
	exitUsable = 0
	exitNone   = 1
	exitError  = 2
)

// statusPatience is for all that status asks: a daemon that says nothing is given up after
// 5 s, and a file system that hangs after this.
const statusPatience = 10 * time.Second

// standing is what status has found out.
type standing struct {
	Running bool
	Home    string           `json:",omitempty"`
	Socket  string           `json:",omitempty"`
	Daemon  *protocol.Status `json:",omitempty"`
	Login   *person          `json:",omitempty"` // who is logged in
	Before  string           `json:",omitempty"` // another account that was logged in here, not long ago
	Shell   shell            // what this shell would get
	Error   string           `json:",omitempty"`
	Hint    string           `json:",omitempty"`
	Mend    string           `json:",omitempty"` // Hint under its first name, in JSON only: withMend
}

func newStatus() *cobra.Command {
	var asJSON, follow bool
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show the daemon's state and this shell's credential",
		Long:    statusHelp,
		Example: statusExample,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			if follow {
				return watchStatus(cmd.Context(), out, asJSON)
			}
			s, _ := waiting(cmd.ErrOrStderr(), "asking the daemon", statusPatience, func() (*standing, error) { return stand(cmd.Context()), nil })
			var err error
			if asJSON {
				err = printJSON(out, s.withMend())
			} else {
				err = s.print(out, ui.NewPaint(out), time.Now())
			}
			if err != nil {
				return err
			}
			return exitCode(s.exit())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	cmd.Flags().BoolVar(&follow, "watch", false, "print it anew at each change, until Ctrl-C")
	return cmd
}

// withMend is what JSON shows: programs may know Hint by its first name.
func (s standing) withMend() standing {
	s.Mend, s.Shell.Mend = s.Hint, s.Shell.Hint
	return s
}

func (s *standing) exit() int {
	switch {
	case s.Error != "":
		return exitError
	case s.Shell.Usable:
		return exitUsable
	}
	return exitNone
}

// bounded is for a question to a daemon that may take long. That it is stopped, or hangs, the
// client says much earlier.
func bounded(ctx context.Context, patience time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, patience, protocol.Errorf(protocol.CodeUnavailable,
		"the daemon did not answer within %s\nsee its log, or restart it: falcred restart", patience))
}

// stand asks; it connects only, for which systemd starts a daemon where it holds the
// socket.
func stand(ctx context.Context) *standing {
	s, err := inTime("asking the daemon", statusPatience, func() (*standing, error) { return standNow(ctx), nil })
	if err != nil {
		return new(standing).failed(err)
	}
	return s
}

func standNow(ctx context.Context) *standing {
	s := &standing{}
	var err error
	if s.Home, err = env.Home(os.LookupEnv); err != nil {
		return s.failed(err)
	}
	places, err := env.Sockets(os.LookupEnv, s.Home)
	if err != nil {
		return s.failed(err)
	}
	s.Socket = places[0].Path

	client := helper.New(os.LookupEnv)
	defer client.Close()
	d, err := client.Status(ctx)
	switch {
	case err == nil:
		s.Running, s.Daemon = true, &d
		s.Home, s.Socket = cmp.Or(d.Home, s.Home), cmp.Or(d.Socket, s.Socket)
		s.Before = another(s.Home, d.Subject, time.Now())
	case !errors.Is(err, helper.ErrNotRunning):
		s.failed(err)
	}
	s.Login = whoIs(s.Home, s.Daemon, os.LookupEnv)
	loggedIn, err := hasLogin(s.Daemon, s.Home)
	s.Shell = judge(os.Getenv, s.Daemon, loggedIn, time.Now())
	if s.Shell.Hint == startHint && s.Error == "" { // else somebody is there, and does not answer
		s.Shell.Hint = startLine(ctx)
	}
	if err != nil && s.Error == "" && s.Shell.Source == "" {
		s.failed(err) // not known is not logged out
	}
	if s.Daemon == nil && s.Shell.Source == sourceLogin {
		s.Shell.startable(s.Home, len(places) == 1 && !places[0].Shared)
	}
	return s
}

// startable says what keeps a daemon from being started for this shell's login. only is set
// where its socket has no other place than the home.
func (s *shell) startable(home string, only bool) {
	if t := strict.As(strict.Folder(home)); t != nil { // F6
		s.Usable, s.Note, s.Hint = false, t.Text, t.Hint
	} else if err := daemon.CheckEnvFile(home); errors.As(err, new(*daemon.Mistake)) { // §3
		s.Usable = false
		s.Note, s.Hint, _ = strings.Cut(err.Error(), "\n")
	} else if err := writable(home); err != nil && only {
		s.Usable, s.Note, s.Hint = false, noWriting(err), writeHint
	}
}

func (s *standing) failed(err error) *standing {
	s.Error, s.Hint, _ = strings.Cut(err.Error(), "\n")
	return s
}

// hasLogin asks the daemon first: it may know a login that the file has lost
// for a moment.
func hasLogin(d *protocol.Status, home string) (bool, error) {
	if d != nil {
		return daemonHasLogin(d), nil
	}
	info, err := os.Stat(filepath.Join(home, env.TokenFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Size() > 0, err
}

// recently is how long ago another account was logged in here, for somebody who changes between two.
const recently = 7 * 24 * time.Hour

// another is the account that was logged in at a home before this one, "" where there was none
// recently.
func another(home, account string, now time.Time) (before string) {
	all, err := events.Read(home)
	if err != nil || account == "" {
		return ""
	}
	for _, e := range all {
		if e.Subject != "" && e.Subject != account && now.Sub(e.Time) < recently {
			before = e.Subject
		}
	}
	return before
}
