// Package demo shows falcred at work, with no account and no network: an identity
// provider of its own, the daemon as a process of its own, many clients, a kill in
// the middle of a refresh, and the same without falcred.
package demo

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol/peer"
)

// The parts of the demo that one might want to vary by hand.
const (
	clients   = 200
	refreshes = 3
	rivals    = 8

	// issuerDelay is what an issuer across a network takes, more or less.
	issuerDelay = 60 * time.Millisecond
	// patience bounds each thing that the demo waits for.
	patience = 30 * time.Second
)

// demo is one run of it.
type demo struct {
	*ui.Console
	home
	issuer *idp.Server
	daemon *child
	load   *load

	falcred, alone result // the two columns of the table
	lapses         []string
}

// Run shows it step by step, with what was measured, and fails if a request to
// falcred failed or the issuer saw a refresh token twice. It starts this very
// program again, as "falcred run", and leaves nothing behind when ctx ends it.
func Run(ctx context.Context, out io.Writer) error {
	began := time.Now()
	console, ctx := console(ctx, out)
	d := &demo{Console: console}
	defer d.clean()
	if err := d.prepare(); err != nil {
		return err
	}
	steps := []struct {
		title string
		do    func(context.Context) error
	}{
		{"sign in", d.signIn},
		{fmt.Sprintf("%d clients, %d refreshes", clients, refreshes), d.serve},
		{"kill -9 in the middle of a refresh", d.crash},
		{"a key and a login, side by side", d.sideBySide},
		{"the same without falcred", d.contrast},
	}
	for i, step := range steps {
		d.Title(i+1, step.title)
		if err := step.do(ctx); err != nil {
			return ended(ctx, err)
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
	sweep(d.Console, temporaryFolders())
	d.home, err = makeHome(temporaryFolders())
	if err != nil {
		return err
	}
	d.issuer, err = idp.Start(idp.Config{AutoApprove: true, Interval: time.Second})
	if err != nil {
		return err
	}
	slow := idp.DelayBefore(issuerDelay)
	d.issuer.SetFault(&slow)
	d.Say("an identity provider of our own at %s", d.issuer.URL)
	d.Say("its refresh tokens work once; who uses one twice is logged out everywhere")
	d.Say("a temporary home: %s", d.path)
	return nil
}

// clean leaves nothing behind, however the demo ended; only a kill -9 of the
// demo itself leaves a daemon and its home, to the next demo. The issuer goes before the daemon,
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
	if d.path != "" {
		d.remove()
	}
}

// lapse records that falcred did not do what it promises. The demo goes on,
// and fails at its end.
func (d *demo) lapse(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	d.Say("%s", d.Red("failed: "+text))
	d.lapses = append(d.lapses, text)
}

// until waits for something to become true.
func until(ctx context.Context, what string, done func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s did not come within %s", what, patience))
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
