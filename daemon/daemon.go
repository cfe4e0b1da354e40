// Package daemon owns the login of one home: it alone refreshes it, ahead of time,
// once, and so that a crash at any moment loses nothing, and it serves access tokens
// over a Unix socket. The wire is package protocol's; [Run] is the daemon's life.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/falcred/falcred/daemon/alarm"
	"github.com/falcred/falcred/protocol/peer"
)

// Run is the daemon's life: it owns the login of cfg.Home and serves it until
// ctx ends, then finishes what was begun (S5). Signals are the caller's.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	sock, l, err := open(ctx, cfg, log)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	l.ending = endingWith(ctx)
	l.alarm = alarm.New()
	l.note(EventStarted)

	// Clients can connect by now and wait in the kernel's queue: nobody is
	// answered before the token file has been looked at.
	l.tick()
	var ended error
	var watchers sync.WaitGroup
	look := alarm.New() // here, so that what it keeps open for itself is there once it watches
	watchers.Go(func() {
		if err := sock.guard(ctx, look); err != nil {
			ended = fmt.Errorf("%w: ending, so that a new falcred can take its place", err)
		}
		end()
	})
	watchers.Go(func() { l.schedule(ctx) })
	watchers.Go(func() { l.watch(ctx) })
	log.Info("ready", "socket", sock.path, "pid", os.Getpid())
	if cfg.Ready != nil {
		cfg.Ready(sock.path)
	}
	s := newServer(l, sock.path)
	s.stop = end
	if cfg.ShareSocket != "" {
		s.limit -= shareOf(s.limit)
		watchers.Go(func() { l.share(ctx) })
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.serve(ctx, sock)
		end()
		l.finish(&watchers)
	}()
	select {
	case <-done:
		sock.close()
		log.Info("stopped")
		return ended
	case <-l.ending.total.Done():
		// The process's end closes the socket and gives the lock back.
		return errors.New("ended without waiting any longer: something hangs, a disk or a descriptor that a client has passed")
	}
}

// open makes sure that we are the one who serves here, and only then looks into the home.
func open(ctx context.Context, cfg Config, log *slog.Logger) (*socket, *Login, error) {
	if err := peer.KnownUser(); err != nil {
		return nil, nil, err // whom to serve cannot be known (S3)
	}
	// S1 first: a second daemon must touch nothing of the home.
	sock, err := openSocket(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	l, err := newLogin(cfg, log)
	if err != nil {
		sock.close()
		return nil, nil, err
	}
	for _, text := range sock.warnings {
		l.warn(text)
	}
	return sock, l, nil
}

// finish comes when who was served is answered, so that nobody but the watchers and the
// work itself can start work (S5). The socket's lock is kept until it is done: no other
// daemon comes in between.
func (l *Login) finish(watchers *sync.WaitGroup) {
	watchers.Wait()
	l.work.Wait()
	l.note(EventStopped)
	l.close()
	l.alarm.Close()
}
