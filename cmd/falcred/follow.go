package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/daemon/follow"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/packaging/service"
	"github.com/falcred/falcred/protocol"
	"github.com/spf13/cobra"
)

const followHelp = `Keep a token file here with the access token of a daemon elsewhere, for
unmodified programs that read it: the fal SDK on a machine that SOCKET is
forwarded to (ssh -R), or in a container that it is mounted into. Without SOCKET
it is FALCRED_SOCKET.

The file's first line, where a refresh token would stand, is a placeholder: only
access tokens reach this machine. The file goes when the token has run out, and
when follow ends; it comes back when another program has deleted it. A login of
this machine's own is never written over.

A team is not in the file: programs that read it act for the personal account.

Where nobody answers at SOCKET it says so, and waits until somebody does. It ends at
SIGTERM or Ctrl-C.`

const followExample = `  falcred follow ~/fal.sock
  ssh -o ExitOnForwardFailure=yes -R /home/ann/fal.sock:$HOME/.fal/share.sock \
    build01 falcred follow fal.sock

The other machine's sshd_config wants StreamLocalBindUnlink yes.`

func newFollow() *cobra.Command {
	return &cobra.Command{
		Use:     "follow [SOCKET]",
		Short:   "Keep a token file fresh from a daemon elsewhere",
		Long:    followHelp,
		Example: followExample,
		Args:    atMostOne("a socket"),

		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault // files
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := canFollow(); err != nil {
				return err
			}
			if len(args) == 1 {
				path, err := filepath.Abs(args[0])
				if err != nil {
					return err
				}
				os.Setenv("FALCRED_SOCKET", path)
			}
			if os.Getenv("FALCRED_SOCKET") == "" {
				return usageError{"falcred follow needs a socket to follow", helpHint(cmd)}
			}
			cfg, err := daemon.Load(version())
			if err != nil {
				return err
			}
			handler, err := newHandler(cmd.ErrOrStderr(), "info", false, false)
			if err != nil {
				return err
			}
			log := slog.New(handler)
			ctx, stop := signal.NotifyContext(cmd.Context(), append(endings, farewells...)...)
			defer stop()
			context.AfterFunc(ctx, stop)                                             // a second signal ends it as signals do
			file, err := follow.Open(cfg.Home, func(text string) { log.Warn(text) }) // #nosec G706 -- slog quotes it
			if err != nil {
				return err
			}
			defer file.Close()
			f := &follower{file: file, log: log, answers: make(chan answer), now: answer{cred: file.Held()}}
			f.tell = func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), "falcred: "+protocol.Printable(text)) }
			if _, journal := handler.(service.Journal); journal {
				f.tell = func(text string) { log.Warn(text) } // #nosec G706 -- slog quotes it
			}
			return f.run(ctx)
		},
	}
}

// answer is what the socket said last.
type answer struct {
	cred protocol.Credential
	err  error
}

// follower carries what a socket says into a file.
type follower struct {
	file    *follow.File
	log     *slog.Logger
	tell    func(string) // says something to whoever has started it
	answers chan answer

	now    answer
	kept   time.Time       // when the file was last seen to
	logged protocol.Secret // the token that the log names
	said   string          // the last failed write that was logged

	heard, problem string    // the token and the error that came last; the listener's own
	warned         time.Time // when such an error was logged last
}

const (
	// followPace is how long a socket may be silent after it sent an error.
	followPace = time.Minute
	// followBreath is the least pause.
	followBreath = 100 * time.Millisecond
	// followRetry is the pause after a write that failed: on a full disk each try
	// makes events of its own.
	followRetry = 5 * time.Second
	// followBeat is the least time between two writes, and between two lines in the log: how
	// often another machine's daemon, or who speaks in its place, sends something is not for
	// it to say. The newest wins.
	followBeat = time.Second
)

func (f *follower) run(ctx context.Context) error {
	go f.listen(ctx)
	if err := f.keepOn(ctx); err != nil {
		return err
	}
	return f.file.Put(context.Background(), "")
}

// keepOn sees to the file until ctx ends, or a login of the home's own ends it.
func (f *follower) keepOn(ctx context.Context) error {
	for ctx.Err() == nil {
		f.kept = time.Now()
		err := f.keep(ctx)
		if errors.Is(err, follow.ErrOwnLogin) {
			return err
		}
		if err != nil && ctx.Err() == nil {
			f.say(err.Error())
		}
		f.wait(ctx, err != nil)
		f.pace(ctx)
	}
	return nil
}

// pace waits until the file may be written again, and hears what is said meanwhile.
func (f *follower) pace(ctx context.Context) {
	rest := time.NewTimer(time.Until(f.kept.Add(followBeat)))
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case f.now = <-f.answers:
		case <-rest.C:
			return
		}
	}
}

// wait returns when there may be something to do.
func (f *follower) wait(ctx context.Context, failed bool) {
	changed, look := f.file.Watch()
	if left := time.Until(f.now.cred.Expires); f.now.cred.Secret != "" && left > 0 {
		look = min(look, max(left, followBreath)) // it is the daemon that says when
	}
	if failed {
		look, changed = min(look, followRetry), nil
	}
	timer := time.NewTimer(look)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case f.now = <-f.answers:
	case <-changed:
	case <-timer.C:
	}
}

// keep has the file hold the token of the moment, as long as it is good.
func (f *follower) keep(ctx context.Context) error {
	cred := f.now.cred
	if cred.Username != "Bearer" || !time.Now().Before(cred.Expires) {
		return f.file.Put(ctx, "")
	}
	err := f.file.Put(ctx, string(cred.Secret))
	if err == nil && cred.Secret != f.logged {
		f.log.Info("following", "expires", cred.Expires)
		f.logged = cred.Secret
	}
	return err
}

// listen asks again when the socket is gone: the connection that forwards it
// comes back, or the daemon does. A token that came stays good meanwhile.
func (f *follower) listen(ctx context.Context) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = time.Second, 10*time.Second
	client := helper.New(os.LookupEnv)
	defer client.Close()
	for ctx.Err() == nil {
		if f.watch(ctx, client) {
			pause.Reset()
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// minimalPatience bounds how often a socket that says nothing is connected to again.
const minimalPatience = 10 * time.Second

var errSilent = errors.New("no answer for too long; connecting again")

// watch hands on what one connection says, and reports whether that was a token. A
// connection can be half dead for hours (a laptop asleep, a router that forgot
// it): by half of what a token has left, a daemon would have sent the next.
func (f *follower) watch(ctx context.Context, client *helper.Client) (good bool) {
	watching, hangUp := context.WithCancelCause(ctx)
	defer hangUp(nil)
	silence := time.AfterFunc(minimalPatience, func() { hangUp(errSilent) })
	defer silence.Stop()
	for cred, err := range client.Watch(watching, protocol.Query{ServerURL: protocol.DefaultServer, ForceUser: true}) {
		if good = err == nil; good {
			silence.Reset(max(time.Until(cred.Expires)/2, minimalPatience))
		} else {
			silence.Reset(followPace)
		}
		f.handOn(ctx, answer{cred, err})
	}
	return good
}

// handOn drops a token only when the daemon says that there is none any more.
func (f *follower) handOn(ctx context.Context, t answer) {
	var e *protocol.Error
	switch {
	case t.err == nil && string(t.cred.Secret) == f.heard, t.err != nil && t.err.Error() == f.problem:
		return // it is known
	case t.err == nil:
		f.problem = ""
	case errors.Is(t.err, errSilent):
		return
	case errors.As(t.err, &e) && (e.Code == protocol.CodeNotFound || e.Code == protocol.CodeLoginRequired):
		f.warn(ctx, "no login to follow", t.err)
	case errors.Is(t.err, helper.ErrNotRunning):
		if f.news(ctx, t.err) {
			f.tell(waitsFor(os.Getenv("FALCRED_SOCKET")))
		}
		return
	default:
		f.warn(ctx, "the socket gives no credential", t.err)
		return
	}
	f.heard = string(t.cred.Secret)
	select {
	case f.answers <- t:
	case <-ctx.Done():
	}
}

// warn says what the socket says, without its hint, which is for the owner's machine.
func (f *follower) warn(ctx context.Context, what string, err error) {
	if f.news(ctx, err) {
		cause, _, _ := strings.Cut(f.problem, "\n")
		f.log.Warn(what, "cause", cause)
	}
}

// news notes a problem that is to be said now. One that comes too soon is said when it comes again.
func (f *follower) news(ctx context.Context, err error) bool {
	if ctx.Err() != nil || time.Since(f.warned) < followBeat {
		return false
	}
	f.problem, f.warned = err.Error(), time.Now()
	return true
}

// waitsFor says what has to come, where nobody answers at a socket.
func waitsFor(socket string) string {
	info, err := os.Lstat(socket)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "waiting for the socket " + socket + ", which is not there yet: ssh -R makes it, or the daemon that shares its login"
	case err == nil && info.Mode().Type()&(fs.ModeSocket|fs.ModeSymlink) == 0:
		return "waiting for a socket at " + socket + ", where something else is now: is the path right?"
	}
	return "waiting for a daemon at " + socket + ", where nobody answers now: does it run, and is ssh connected?"
}

// say does not repeat itself.
func (f *follower) say(text string) {
	if text != f.said {
		f.log.Warn("the token file cannot be written", "cause", text)
	}
	f.said = text
}
