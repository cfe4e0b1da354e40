package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/peer"
	"github.com/spf13/cobra"
)

const demoHelp = `Show what falcred does, with no account and no network.

In a temporary home it starts an identity provider of its own, whose refresh
tokens work once, and the daemon as a process of its own. It signs in, lets 200
clients ask while the login is refreshed again and again, kills the daemon in
the middle of a refresh, and shows what happens without falcred.

All numbers are measured. It exits 0 only if no request to falcred failed and
the issuer saw no refresh token twice.`

// The parts of the demo that one might want to vary by hand.
const (
	demoClients   = 200
	demoRefreshes = 3
	demoRivals    = 8

	// issuerDelay is what an issuer across a network takes, more or less.
	issuerDelay = 60 * time.Millisecond
	// demoPatience bounds each thing that the demo waits for.
	demoPatience = 10 * time.Second
)

func newDemo() *cobra.Command {
	return &cobra.Command{
		Use:     "demo",
		Short:   "See falcred work: no account, no network, ten seconds",
		Long:    demoHelp,
		Example: "  falcred demo\n  NO_COLOR=1 falcred demo | tee demo.txt",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), endings...)
			defer stop()
			err := runDemo(ctx, cmd.OutOrStdout())
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			return err
		},
	}
}

// demo is one run of it.
type demo struct {
	*console
	home   string
	socket string
	issuer *idp.Server
	daemon *child
	load   *load

	falcred, alone result // the two columns of the table
	lapses         []string
}

func runDemo(ctx context.Context, out io.Writer) error {
	began := time.Now()
	d := &demo{console: newConsole(out)}
	defer d.clean()
	if err := d.prepare(); err != nil {
		return err
	}
	steps := []struct {
		title string
		do    func(context.Context) error
	}{
		{"sign in", d.signIn},
		{fmt.Sprintf("%d clients, %d refreshes", demoClients, demoRefreshes), d.serve},
		{"kill -9 in the middle of a refresh", d.crash},
		{"a key and a login, side by side", d.sideBySide},
		{"the same without falcred", d.contrast},
	}
	for i, step := range steps {
		d.title(i+1, step.title)
		if err := step.do(ctx); err != nil {
			return err
		}
	}
	d.table(time.Since(began))
	return d.judge()
}

// prepare makes a home that has nothing to do with the user's, and an issuer
// that allows no reuse at all, as Auth0's do by default.
func (d *demo) prepare() (err error) {
	if !peer.Serves {
		return peer.ErrNotServed
	}
	d.home, d.socket, err = demoHome()
	if err != nil {
		return err
	}
	d.issuer, err = idp.Start(idp.Config{AutoApprove: true, Interval: time.Second})
	if err != nil {
		return err
	}
	slow := idp.DelayBefore(issuerDelay)
	d.issuer.SetFault(&slow)
	d.say("an identity provider of our own at %s", d.issuer.URL)
	d.say("its refresh tokens work once; who uses one twice is logged out everywhere")
	d.say("a temporary home: %s", d.home)
	return nil
}

// demoHome finds a place short enough for a socket: macOS has long temporary
// folders.
func demoHome() (home, socket string, err error) {
	for _, parent := range []string{"", "/tmp"} {
		home, err = os.MkdirTemp(parent, "falcred-demo-")
		if err != nil {
			return "", "", err
		}
		socket = filepath.Join(home, "falcred.sock")
		if err = env.CheckSocketPath(socket); err == nil {
			return home, socket, nil
		}
		os.Remove(home)
	}
	return "", "", err
}

// clean leaves nothing behind, however the demo ended; only a kill -9 of the
// demo itself leaves a daemon and its home. The issuer goes before the daemon,
// which would wait for an answer that is held up.
func (d *demo) clean() {
	if d.load != nil {
		d.load.end()
	}
	if d.issuer != nil {
		d.issuer.Close()
	}
	if d.daemon != nil {
		d.daemon.end()
	}
	if d.home != "" {
		os.RemoveAll(d.home)
	}
}

// lapse records that falcred did not do what it promises. The demo goes on,
// and fails at its end.
func (d *demo) lapse(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	d.say("%s", d.red("failed: "+text))
	d.lapses = append(d.lapses, text)
}

// until waits for something to become true.
func until(ctx context.Context, what string, done func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, demoPatience, fmt.Errorf("%s did not come within %s", what, demoPatience))
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}
