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

	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/peer"
	"github.com/falcred/falcred/protocol/strict"
	"github.com/spf13/cobra"
)

const statusHelp = `Say who is logged in, which credential a program started from this shell would
send and to whose account its requests are attributed, whether all is well, and
what to do if not. Below that: the token, the daemon, and its warnings.

status starts no daemon itself; where systemd holds the socket, as the package
has it, the question makes systemd start one. It asks for no refresh, and prints
no secret. With FALCRED_TEAM set it has the daemon look whether the login is in
that team, for which the daemon may ask fal.

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
	Healthy bool             // there is nothing to do
	Trouble string           `json:",omitempty"` // what is wrong, or may become so…
	Do      string           `json:",omitempty"` // …and the one thing to do about it
	Error   string           `json:",omitempty"`
	Hint    string           `json:",omitempty"`
	Mend    string           `json:",omitempty"` // Hint under its first name, in JSON only: withMend
}

func newStatus() *cobra.Command {
	var asJSON, follow bool
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show who is logged in, what this shell would send, and what to do",
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
				err = s.print(out, time.Now())
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
		s = new(standing).failed(err)
	}
	s.Trouble, s.Do = s.trouble()
	s.Healthy = s.Trouble == ""
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
	s.Shell = judge(os.LookupEnv, s.Daemon, loggedIn, time.Now())
	s.attribute(ctx, client, os.LookupEnv)
	if s.Shell.Hint == startHint && s.Error == "" { // else somebody is there, and does not answer
		s.Shell.Hint = startLine(ctx)
	}
	if err != nil && s.Error == "" && s.Shell.Source == "" {
		s.failed(err) // not known is not logged out
	}
	if s.Daemon == nil && s.Shell.Source == sourceLogin {
		s.Shell.startable(s.Home, len(places) == 1 && !places[0].Shared)
	}
	if s.Login != nil && s.Shell.Source == sourceLogin && !s.Shell.Usable {
		s.Login.Trouble, s.Login.Do = s.Shell.Note, s.Shell.Hint
	}
	return s
}

// trouble is what a person should know first, and the one thing to do; "" where all is well.
func (s *standing) trouble() (text, do string) {
	d, shell := s.Daemon, s.Shell
	login := shell.Source == sourceLogin
	switch {
	case s.Error != "":
		return s.Error, s.Hint
	case shell.Source == "" && d != nil && d.LastError != "":
		return d.LastError, d.Hint
	case shell.Source == "":
		return "nobody is logged in, and no key is set", shell.Hint
	case login && d == nil && !peer.Serves:
		text, do, _ = strings.Cut(peer.ErrNotServed.Error(), "\n")
	case !shell.Usable && shell.Hint != "", login && d == nil:
		return shell.Note, shell.Hint
	case login && d.LastError != "":
		return d.LastError, d.Hint
	case !shell.Usable:
		return "the login cannot be used now", "falcred doctor"
	case shell.Warning != "":
		text, do, _ = strings.Cut(shell.Warning, "\n")
	case d != nil && len(d.Warnings) > 0:
		text, do, _ = strings.Cut(d.Warnings[0], "\n")
	}
	return text, do
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
