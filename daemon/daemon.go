// Package daemon owns the login of one home: it refreshes it ahead of time, once for all
// who ask, and so that a crash at any moment loses nothing that the issuer would give
// again (R4), and it serves access tokens over a Unix socket. The wire is package
// protocol's; [Run] is the daemon's life, which puts the packages below together.
// DESIGN.md, beside this file, holds the rules that comments cite (F1, R7, S5).
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/server"
	"github.com/falcred/falcred/daemon/socket"
	"github.com/falcred/falcred/protocol/peer"
)

// Run is the daemon's life: it owns the login of cfg.Home and serves it until
// ctx ends, then finishes what was begun, for [login.TotalEnd] at most. Signals are the
// caller's.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	total := login.After(ctx, login.TotalEnd)
	sock, m, err := open(ctx, cfg, log)
	if err != nil {
		return err
	}
	m.Note(events.Started, "")

	// Clients can connect by now and wait in the kernel's queue: nobody is answered before
	// the token file has been read.
	var parts sync.WaitGroup
	ready := make(chan struct{})
	parts.Go(func() { m.Run(ready) })
	select {
	case <-ready:
	case <-total.Done():
		return errHangs
	}
	var lost error
	parts.Go(func() {
		if err := sock.Guard(ctx, clock.New()); err != nil {
			lost = fmt.Errorf("%w: ending, so that a new falcred can take its place", err)
		}
		end()
	})
	o := server.Options{Version: cfg.Version, Servers: cfg.Servers, Log: log, Stop: end, Shared: cfg.ShareSocket != ""}
	if o.Shared {
		parts.Go(func() { server.Share(ctx, m, cfg.ShareSocket, cfg.AllowUIDs, o) })
	}
	log.Info("ready", "socket", sock.Path(), "pid", os.Getpid())
	if cfg.Ready != nil {
		cfg.Ready(sock.Path())
	}

	done := make(chan struct{})
	go func() {
		defer close(done)
		server.New(m, o).Serve(ctx, sock)
		end()
		parts.Wait()
		m.Note(events.Stopped, "")
		m.Close()
		// The socket's lock is kept until here: no other daemon comes in between.
	}()
	select {
	case <-done:
		sock.Close()
		log.Info("stopped")
		return lost
	case <-total.Done():
		return errHangs // the process's end closes the socket and gives the lock back
	}
}

var errHangs = errors.New("ended without waiting any longer: something hangs, a disk or a descriptor that a client has passed")

// open makes sure that we are the one who serves here, and only then looks into the
// home: a second daemon must touch nothing of it (S1).
func open(ctx context.Context, cfg Config, log *slog.Logger) (*socket.Socket, *login.Manager, error) {
	if err := peer.KnownUser(); err != nil {
		return nil, nil, err // whom to serve cannot be known (S3)
	}
	sock, err := socket.Open(ctx, socket.Options{Path: cfg.Socket, Home: cfg.Home, TakeOver: cfg.TakeOver})
	if err != nil {
		return nil, nil, err
	}
	m, err := login.Open(ctx, cfg.Config, log)
	if err != nil {
		sock.Close()
		return nil, nil, err
	}
	for _, text := range sock.Warnings() {
		m.Warn(text)
	}
	return sock, m, nil
}
