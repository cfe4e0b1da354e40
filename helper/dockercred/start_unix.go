//go:build linux || darwin

package dockercred

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/limits"
	"github.com/falcred/falcred/protocol/peer"
	"github.com/falcred/falcred/protocol/strict"
)

// start brings a daemon up and returns when it answers. However many helpers
// find none at the same time, the one that gets the lock starts it, and the
// others wait for the same socket. A crash of that one frees the lock.
func (r *run) start(ctx context.Context, home string) error {
	if err := peer.KnownUser(); err != nil {
		return err // the daemon would serve nobody, and keep the socket from its owner
	}
	if err := limits.Check(); err != nil { // the daemon inherits them (S6)
		return cannotStart(err)
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

// spawn starts a daemon that outlives its starter's terminal, session, working
// folder and descriptors, and holds none of them.
func spawn(path string) (ended <-chan error, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	closeOnExec()
	signal.Ignore(syscall.SIGHUP) // stays ignored over exec
	p, err := os.StartProcess(path, []string{path, "run"}, &os.ProcAttr{
		Dir:   "/",
		Env:   daemonEnv(os.Environ()),
		Files: []*os.File{null, null, null},
		Sys:   &syscall.SysProcAttr{Setsid: true},
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
	case state.ExitCode() == mistakeStatus:
		return errMistake
	}
	return protocol.Errorf(protocol.CodeUnavailable, "falcred was started but ended at once: %s\nsee why: falcred run", how)
}

// closeOnExec marks every descriptor that this program was itself given. Go
// marks its own, but a script's `exec 9>lock` would be held by the daemon for
// ever, and the lock with it.
func closeOnExec() {
	if entries, err := os.ReadDir("/dev/fd"); err == nil {
		for _, e := range entries {
			if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
				syscall.CloseOnExec(fd)
			}
		}
		return
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		limit.Cur = 1 << 16
	}
	for fd := range int(min(limit.Cur, 1<<16)) {
		if fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
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

// lockStart locks a file beside the first socket whose folder is ours and this machine's; in
// another's folder somebody could hold the lock for ever, or put a link there, and what
// another machine starts is not here.
// The file stays: to remove it would let two helpers lock two files.
func (r *run) lockStart() (unlock func(), err error) {
	sockets, err := r.client.Sockets()
	if err != nil {
		return nil, err
	}
	var failed []error // of each socket
	for i, socket := range sockets {
		if i+1 < len(sockets) && env.OnNetwork(filepath.Dir(socket)) {
			continue
		}
		f, err := tryStart(socket + ".start")
		if err == nil {
			return func() { f.Close() }, nil
		}
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, err
		}
		failed = append(failed, err) // a read-only home; the runtime folder may do
	}
	return nil, cannotStart(failed[0])
}

// tryStart makes a lock file anew that others can open, or that has a second name: whoever has it
// open could hold it for ever. At worst two helpers start a daemon each, of which one ends at
// once.
func tryStart(path string) (disk.File, error) {
	if err := strict.Folder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if info, err := os.Lstat(path); err == nil && exposed(info) {
		os.Remove(path)
	}
	f, err := strict.OpenRepaired(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := disk.TryLock(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func exposed(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return info.Mode().IsRegular() && (info.Mode().Perm()&0o077 != 0 || ok && stat.Nlink > 1)
}

// makeHome is for a first login, and only where the folder above is ours (F6).
// Whoever needs the home sees how it went.
func makeHome(home string) {
	if strict.File(home) == nil {
		os.Mkdir(home, 0o700)
	}
}
