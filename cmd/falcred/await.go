package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/spf13/cobra"
)

// daemonPatience is more than a daemon needs to see that a file has changed.
const daemonPatience = 3 * time.Second

// awaitTeam waits for a running daemon, so that the next request is attributed as
// this command has said.
func awaitTeam(cmd *cobra.Command, cfg daemon.Config, name string) {
	if cfg.REST == "" {
		return
	}
	followed := false
	done, err := awaitDaemon(cmd.Context(), func(ctx context.Context, client *helper.Client) (bool, error) {
		d, err := client.Status(ctx)
		followed = strings.EqualFold(d.Team, name)
		return followed && !d.Unresolved, err
	})
	switch {
	case done || followed:
	case err != nil:
		fmt.Fprintf(cmd.ErrOrStderr(), "the running daemon does not use it yet: %v\n", err)
	default:
		fmt.Fprintf(cmd.ErrOrStderr(), "the running daemon reads another fal config than %s\nsee: falcred doctor\n", protocol.Printable(cfg.FalConfig.Path))
	}
}

// awaitLogin waits until a running daemon serves the login that is in the file, and says on
// out where it does not. A file without an access token, and a team without an id, are its own
// matters. For another home's daemon it does not wait.
func awaitLogin(ctx context.Context, out io.Writer, cfg daemon.Config) {
	if d, _ := serving(ctx); elsewhere(d, cfg.Home) {
		return
	}
	done, err := awaitDaemon(ctx, func(ctx context.Context, client *helper.Client) (bool, error) {
		cred, err := client.Get(ctx, protocol.Query{ServerURL: protocol.DefaultServer, ForceUser: true})
		access, ok := login.ValidAccess(cfg.Home)
		e := new(protocol.Error)
		return !ok || err == nil && string(cred.Secret) == access || errors.As(err, &e) && e.Code == protocol.CodeTeamUnresolved, err
	})
	switch {
	case done:
	case err != nil:
		fmt.Fprintf(out, "the running daemon does not use the login yet: %v\n", err)
	default:
		fmt.Fprintln(out, "the running daemon does not use the login yet\nsee why: falcred doctor")
	}
}

// serving is the daemon that this shell's programs ask; running is false where there is none. One that
// hangs, or has no status for others, says nothing of itself. The question makes systemd start it.
func serving(ctx context.Context) (d protocol.Status, running bool) {
	ctx, cancel := context.WithTimeout(ctx, daemonPatience)
	defer cancel()
	client := helper.New(os.LookupEnv)
	defer client.Close()
	d, err := client.Status(ctx)
	return d, err == nil || !errors.Is(err, helper.ErrNotRunning) && !errors.Is(err, env.ErrPathTooLong)
}

// elsewhere says that a daemon serves another home than this one.
func elsewhere(d protocol.Status, home string) bool { return d.Home != "" && !sameFolder(d.Home, home) }

// sameFolder compares two names of folders, of which one may lead through a link.
func sameFolder(a, b string) bool {
	if a == b {
		return true
	}
	one, err := os.Stat(a)
	other, otherErr := os.Stat(b)
	return err == nil && otherErr == nil && os.SameFile(one, other)
}

// awaitDaemon asks until something is so, and reports whether it came to be. Where
// no daemon runs there is nothing to wait for. The error is that of a daemon that does not
// answer at all.
func awaitDaemon(ctx context.Context, is func(context.Context, *helper.Client) (bool, error)) (bool, error) {
	limited, cancel := context.WithTimeout(ctx, daemonPatience)
	defer cancel()
	client := helper.New(os.LookupEnv)
	defer client.Close()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := is(limited, client)
		if done || errors.Is(err, helper.ErrNotRunning) || errors.Is(err, env.ErrPathTooLong) {
			return true, nil
		}
		select {
		case <-limited.Done():
			_, err := client.Version(ctx)
			return false, err
		case <-tick.C:
		}
	}
}
