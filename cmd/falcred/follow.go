package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/helper"
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

A team is not in the file: programs that read it act for the personal account.`

const followExample = `  falcred follow /tmp/fal.sock
  ssh -R /tmp/fal.sock:$HOME/.fal-share/sock build01 falcred follow /tmp/fal.sock`

func newFollow() *cobra.Command {
	return &cobra.Command{
		Use:     "follow [SOCKET]",
		Short:   "Keep a token file fresh from a daemon elsewhere",
		Long:    followHelp,
		Example: followExample,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				os.Setenv("FALCRED_SOCKET", args[0])
			}
			if os.Getenv("FALCRED_SOCKET") == "" {
				return usageError{"falcred follow wants the socket to follow", helpHint(cmd)}
			}
			cfg, err := daemon.Load(version())
			if err != nil {
				return err
			}
			log, err := newLogger(cmd.ErrOrStderr(), "info", false)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), endings...)
			defer stop()
			file, err := daemon.OpenFollowed(cfg, func(text string) { log.Warn(text) })
			if err != nil {
				return err
			}
			defer file.Close()
			f := &follower{file: file, log: log, told: make(chan told), now: told{cred: file.Held()}}
			return f.run(ctx)
		},
	}
}

// told is what the socket said last.
type told struct {
	cred protocol.Credential
	err  error
}

// follower carries what a socket tells into a file.
type follower struct {
	file *daemon.Followed
	log  *slog.Logger
	told chan told

	now  told
	said string // the last trouble that was logged
}

// followPace is how often the file is looked at where no event tells.
const followPace = time.Minute

func (f *follower) run(ctx context.Context) error {
	go f.listen(ctx)
	for {
		if err := f.keep(ctx); errors.Is(err, daemon.ErrOwnLogin) {
			return err
		} else if err != nil && ctx.Err() == nil {
			f.say(err.Error())
		}
		look := followPace
		if left := time.Until(f.now.cred.Expires); f.now.cred.Secret != "" && left > 0 {
			look = min(look, left)
		}
		timer := time.NewTimer(look)
		select {
		case <-ctx.Done():
			timer.Stop()
			return f.file.Put(context.Background(), "")
		case f.now = <-f.told:
		case <-f.file.Changed():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// keep has the file hold the token of the moment, as long as it is good.
func (f *follower) keep(ctx context.Context) error {
	cred := f.now.cred
	if cred.Username != "Bearer" || !time.Now().Before(cred.Expires) {
		return f.file.Put(ctx, "")
	}
	return f.file.Put(ctx, cred.Secret)
}

// listen asks again when the socket is gone: the connection that forwards it
// comes back, or the daemon does. A token that was told stays good meanwhile.
func (f *follower) listen(ctx context.Context) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = time.Second, 10*time.Second
	client := helper.New(os.LookupEnv)
	defer client.Close()
	for ctx.Err() == nil {
		for cred, err := range client.Watch(ctx, protocol.Query{ServerURL: protocol.DefaultServer, ForceUser: true}) {
			if err == nil {
				pause.Reset()
			}
			f.tell(ctx, told{cred, err})
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// tell drops a token only when the daemon says that there is none any more.
func (f *follower) tell(ctx context.Context, t told) {
	var e *protocol.Error
	switch {
	case t.err == nil:
		f.log.Info("following", "expires", t.cred.Expires)
	case errors.As(t.err, &e) && (e.Code == protocol.CodeNotFound || e.Code == protocol.CodeLoginRequired):
		f.log.Warn("no login to follow", "cause", t.err)
	default:
		if ctx.Err() == nil {
			f.log.Warn("the socket tells nothing", "cause", t.err)
		}
		return
	}
	select {
	case f.told <- t:
	case <-ctx.Done():
	}
}

// say does not repeat itself.
func (f *follower) say(text string) {
	if text != f.said {
		f.log.Warn("the token file cannot be kept", "cause", text)
	}
	f.said = text
}
