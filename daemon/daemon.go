// Package daemon is falcred's daemon: it owns the login of one home, refreshes it ahead of
// time, once for all who ask, and serves its access tokens over a Unix socket.
//
// A refresh token works once, and an issuer ends the login of whoever sends one twice. So
// there is one refresh at a time, and its answer has a file on the disk before it is asked
// for. A crash at any moment is settled at the next start, and loses nothing that the issuer
// would give again.
//
// [Run] is the daemon's life, and [Config] says what it serves. This package puts the
// packages below it together, and is the only one that knows them all. The wire is package
// protocol's. The rules that comments cite by their codes (F1, R7, S5) are in DESIGN.md,
// beside this file.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/internal/threads"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/server"
	"github.com/falcred/falcred/daemon/socket"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/limits"
	"github.com/falcred/falcred/protocol/peer"
	"github.com/falcred/falcred/protocol/strict"
)

// Run is the daemon's life: it owns the login of cfg.Home and serves it until ctx ends, a
// client asks it to stop, its socket is lost, or an upgrade of its program takes its place
// (S9), and then finishes what was begun, for [login.TotalEnd] at most. It returns nil where ctx or a client ended it. Signals are the
// caller's. An error's second line, if any, says what to do. One that is a [Mistake] has been
// told for 30 s to whoever asked, on a socket that a service manager has made.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	asked, stop := context.WithCancel(ctx) // ends when somebody wants it
	defer stop()
	ctx, end := context.WithCancel(asked)
	defer end()
	total := clock.After(ctx, login.TotalEnd)
	home, endHome := context.WithCancel(context.WithoutCancel(ctx)) // for the login, which goes on for who had come (S5, S9)
	defer endHome()
	sock, m, err := open(ctx, home, cfg, log)
	if err != nil {
		return refuse(ctx, sock, cfg.refused(err), log)
	}
	m.Note(events.Started, cfg.Version)

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
			lost = fmt.Errorf("%w: shutting down, so that another falcred can serve there", err)
		}
		end()
	})
	o := server.Options{Version: cfg.Version, Servers: cfg.Servers, Log: log, Stop: stop, Closing: endHome, Look: lookAtEnvFile(ctx, m, cfg), Shared: cfg.ShareSocket != "", OnDemand: cfg.Program.Path != ""}
	next := &handover{cfg: cfg, sock: sock, m: m, log: log, asked: asked}
	parts.Go(func() { next.follow(ctx, end) })
	if o.Shared {
		parts.Go(func() { server.Share(ctx, m, cfg.ShareSocket, cfg.AllowUIDs, o) })
	}
	cfg.ready(sock.Path(), log)

	done := make(chan struct{})
	go func() {
		defer close(done)
		server.New(m, o).Serve(ctx, sock)
		end()
		parts.Wait()
		m.Wait() // the history has what is still finished before the end
		m.Note(events.Stopped, next.ending())
		m.Close()
		// The socket's lock is kept until here: no other daemon comes in between.
	}()
	select {
	case <-done:
		next.letGo()
		sock.Close()
		return lost
	case <-total.Done():
		return errHangs // the process's end closes the socket and gives the lock back
	}
}

func (c Config) refused(err error) error {
	if c.Refused != nil && errors.As(err, new(*Mistake)) {
		c.Refused(err)
	}
	return err
}

func (c Config) ready(socket string, log *slog.Logger) {
	log.Info("ready", "version", c.Version, "socket", socket, "pid", os.Getpid())
	if c.Ready != nil {
		c.Ready(socket)
	}
}

var errHangs = errors.New("shut down without finishing: still waiting after 19 s for a disk, or for a file descriptor that a client sent")

// open makes sure that we are the one who serves here, and only then reads the home: a
// second daemon must touch nothing of it (S1). With an error it may return a socket that a
// service manager has made.
func open(ctx, home context.Context, cfg Config, log *slog.Logger) (*socket.Socket, *login.Manager, error) {
	inherited, err := socket.Inherited()
	if err != nil {
		return nil, nil, &Mistake{err}
	}
	if err := mistake(cfg); err != nil {
		return inherited, nil, err
	}
	if err := enough(); err != nil {
		return inherited, nil, err
	}
	var sock *socket.Socket
	if cfg.Inheritance != nil {
		sock, err = inherit(ctx, cfg)
	} else {
		sock, err = socket.Open(ctx, socket.Options{Path: cfg.Socket, Home: cfg.Home, TakeOver: cfg.TakeOver, Inherited: inherited})
	}
	if strict.As(err) != nil {
		err = &Mistake{err}
	}
	if err != nil {
		return inherited, nil, err
	}
	m, err := login.Open(home, cfg.Config, log)
	if err != nil {
		return sock, nil, asMistake(err)
	}
	for _, text := range sock.Warnings() {
		m.Warn(text)
	}
	warnOdd(m, cfg.EnvOdd)
	for _, p := range limits.Examine() {
		if p.Minor {
			m.Warn(p.Error())
		}
	}
	return sock, m, nil
}

// mistake is what can be known to be wrong before there is a socket.
func mistake(cfg Config) error {
	if cfg.KeyRefused != nil {
		return &Mistake{cfg.KeyRefused}
	}
	if err := peer.KnownUser(); err != nil {
		return &Mistake{err} // whom to serve cannot be known (S3)
	}
	if cfg.ShareSocket != "" {
		if runtime.GOOS == "windows" {
			return &Mistake{errNoShare}
		}
		if err := env.CheckSocketPath(cfg.ShareSocket); err != nil {
			return &Mistake{fmt.Errorf("FALCRED_SHARE_SOCKET: %w", err)}
		}
	}
	return nil
}

// errNoShare: whom to let in is said by user numbers, which Windows has not, and what a share
// socket is for, containers and ssh -R, reaches no pipe.
var errNoShare = errors.New("FALCRED_SHARE_SOCKET: falcred shares no login on Windows\nunset it; who else needs one logs in for himself: falcred login")

// Check says whether [Run] would start, and be of use, as far as that can be known without a
// socket: nothing is changed, locked or sent. It is for those who are about to make a service
// of it: a [Mistake] would end that at each start (S11).
func Check(cfg Config) error {
	if err := mistake(cfg); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Dir(cfg.Home)); err != nil {
		return fmt.Errorf("%s cannot be used as the home: %w\nmake the folder above it first", cfg.Home, fsx.Cause(err))
	}
	if err := cfg.CheckIssuer(); err != nil {
		return asMistake(err)
	}
	return asMistake(cfg.CheckFile())
}

// enough has what the system must grant (S6). Only where all of it is granted a daemon
// starts: one that cannot refresh would only keep the socket from one that can.
func enough() error {
	if err := limits.Check(); err != nil {
		return err
	}
	return threads.Reserve()
}
