package dockercred

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/limits"
	"github.com/falcred/falcred/protocol/peer"
	"github.com/falcred/falcred/protocol/strict"
)

var (
	errNotReady = protocol.Errorf(protocol.CodeUnavailable,
		"falcred was started but does not answer\nsee why: falcred run")
	errMistake = protocol.Errorf(protocol.CodeInternal,
		"falcred was started but its configuration has to be corrected first\nsee what: falcred run")
	errNoDaemon = protocol.Errorf(protocol.CodeUnavailable,
		"falcred is not running, and is neither beside "+name+" nor on PATH\ninstall falcred in a folder of PATH, or start it yourself: falcred run")
)

// Start has a daemon answer for the home that lookup names, as a request has that finds none: one
// that runs is left alone. Whether there is a login for it is not asked.
func Start(ctx context.Context, lookup func(string) (string, bool)) error {
	r := newRun(nil, io.Discard, io.Discard, lookup)
	defer r.client.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, homePatience, errHangs())
	defer cancel()
	home, err := env.Home(lookup)
	if err == nil {
		err = r.client.Connect(ctx)
	}
	if err != helper.ErrNotRunning {
		return err
	}
	return r.start(ctx, home)
}

// Startable says what would keep [Start] from starting a daemon.
func Startable(lookup func(string) (string, bool)) error {
	r := newRun(nil, io.Discard, io.Discard, lookup)
	defer r.client.Close()
	home, err := env.Home(lookup)
	if err != nil {
		return err
	}
	if r.forwarded(home) && !r.hasLogin(home) {
		return errAway
	}
	if _, err := findDaemon(r.getenv("PATH")); err != nil {
		return err
	}
	return mayStart(home)
}

// mayStart says why no daemon would serve the home.
func mayStart(home string) error {
	if err := peer.KnownUser(); err != nil {
		return err // it would serve nobody, and keep the socket from its owner
	}
	if err := limits.Check(); err != nil { // it inherits them (S6)
		return cannotStart(err)
	}
	if err := strict.Folder(home); err != nil && !errors.Is(err, fs.ErrNotExist) { // it would refuse it too (F6)
		return cannotStart(err)
	}
	return nil
}

// start brings a daemon up and returns when it answers. However many helpers
// find none at the same time, the one that gets the lock starts it, and the
// others wait for the same socket. A crash of that one frees the lock.
func (r *run) start(ctx context.Context, home string) error {
	if err := mayStart(home); err != nil {
		return err
	}
	strict.OwnerMask()
	path, notFound := findDaemon(r.getenv("PATH"))
	if _, err := os.Lstat(home); errors.Is(err, fs.ErrNotExist) {
		if notFound != nil {
			return notFound
		}
		makeHome(home)
	}
	if err := strict.Folder(home); err != nil { // a daemon would refuse it too (F6)
		return cannotStart(err)
	}
	unlock, err := r.lockStart()
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return r.await(ctx, nil)
	case err != nil:
		return err
	}
	defer unlock()
	// The one that had the lock before may have been done by the time we got it.
	if err := r.client.Connect(ctx); err != helper.ErrNotRunning {
		return err
	}
	if notFound != nil {
		return notFound
	}
	ended, err := spawn(path)
	if err != nil {
		return protocol.Errorf(protocol.CodeUnavailable, "falcred cannot be started: %v\nsee why: falcred run", reason(err))
	}
	return r.await(ctx, ended)
}

// await tries to connect until a daemon answers, and once more at the end. ended, which may be
// nil, says how the daemon which was started has gone.
func (r *run) await(ctx context.Context, ended <-chan error) error {
	const lastLook = 100 * time.Millisecond
	ctx, cancel := context.WithTimeoutCause(ctx, readiness+lastLook, errNotReady)
	defer cancel()
	begun, late := time.Now(), time.After(readiness)
	var failed error
	for {
		if err := r.client.Connect(ctx); err != helper.ErrNotRunning {
			return err
		}
		if failed != nil {
			return failed
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case failed = <-ended: // or it made way for another one that is there by now
		case <-late:
			failed = errNotReady
		case <-time.After(interval(time.Since(begun))):
		}
	}
}

// interval grows with the wait: a daemon is there within some milliseconds, mostly, and
// fifty helpers that go on asking so often take the machine from one that is not.
func interval(waited time.Duration) time.Duration {
	return min(max(waited/4, 2*time.Millisecond), 100*time.Millisecond)
}

// spawn starts a daemon that outlives its starter's terminal, session, working
// folder and descriptors, and holds none of them.
func spawn(path string) (ended <-chan error, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	p, err := startDetached(path, &os.ProcAttr{
		Dir:   filepath.VolumeName(path) + string(filepath.Separator), // which no user wants to remove
		Env:   daemonEnv(os.Environ()),
		Files: []*os.File{null, null, null},
	})
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- howEnded(p.Wait()) }()
	return done, nil
}

// howEnded is what there is to say about a daemon that was started and is gone.
func howEnded(state *os.ProcessState, err error) error {
	how := fmt.Sprint(state)
	switch {
	case err != nil:
		how = reason(err).Error()
	case state.ExitCode() == protocol.ExitConfig:
		return errMistake
	}
	return protocol.Errorf(protocol.CodeUnavailable, "falcred was started but ended at once: %s\nsee why: falcred run", how)
}

func cannotStart(err error) error {
	what, hint, _ := strings.Cut(err.Error(), "\n")
	for _, errno := range []syscall.Errno{syscall.EROFS, syscall.EACCES, syscall.ENOSPC, syscall.EDQUOT} {
		if hint == "" && errors.Is(err, errno) {
			hint = "let falcred write there, or set XDG_RUNTIME_DIR to a folder of yours where it can"
		}
	}
	if errors.Is(err, syscall.EMFILE) {
		hint = "raise how many files may be open (ulimit -n)"
	}
	if t := strict.As(err); t != nil {
		what, hint = t.Text, t.Hint
	}
	if hint == "" {
		hint = "start it: falcred run"
	}
	return protocol.Errorf(protocol.CodeUnavailable, "falcred is not running and cannot be started: %s\n%s", what, hint)
}

// makeHome is for a first login, and only where the folder above is ours (F6).
// Whoever needs the home sees how it went.
func makeHome(home string) {
	if strict.File(home) == nil {
		disk.MkdirAll(home, 0o700) // on Windows nobody else's from its first moment
	}
}
