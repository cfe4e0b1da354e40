package tokenfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/strict"
	"github.com/falcred/falcred/protocol/words"
)

const (
	// LockPoll is how often a held lock is tried again. The neighbours try
	// every 250 ms, so we are rarely the one who starves.
	LockPoll = 20 * time.Millisecond
	// LockWait covers the longest hold of a well-behaved neighbour (20 s).
	LockWait = 25 * time.Second
	// HoldMax is the longest that falcred holds the lock: the neighbours give up at 20 s. It
	// is what package issuer's time limits make together, and others count with it: the end
	// of a daemon (ending.go of package login, endLimit of package socket), and who waits for
	// a rotation (patience of helper/dockercred, logoutPatience of cmd/falcred).
	HoldMax = 17 * time.Second
)

// LockName is the lock's file in the home; the name is the SDK's.
const LockName = ".portalock"

// maxLocks bounds what one hold keeps open, beside a neighbour that unlinks without a
// pause.
const maxLocks = 8

// Lock is .portalock, held. The neighbours unlink that file after use, so the path can come
// to name another file while we hold the old one: Lock then holds both. It is for one
// goroutine.
type Lock struct {
	path  string
	locks []*fsx.Lock
}

// Acquire waits for the lock of a home until ctx ends. Two goroutines of one process
// exclude each other as two processes do.
func Acquire(ctx context.Context, home string) (*Lock, error) {
	l := &Lock{path: filepath.Join(home, LockName)}
	if err := l.Confirm(ctx); err != nil {
		l.Release()
		return nil, err
	}
	return l, nil
}

// Confirm makes sure that we hold the file that the path names now: where that is another
// one by now, it takes that lock too, and waits for it until ctx ends. It also checks that
// the home is still ours. Call it before every send and write. Where it fails the lock is
// still to be released.
func (l *Lock) Confirm(ctx context.Context) error {
	if err := strict.Folder(filepath.Dir(l.path)); err != nil {
		return err
	}
	begun, asked := clock.Now(), LockPoll
	for {
		current, err := l.current()
		if err != nil || current {
			return err
		}
		lock, err := fsx.TryLockPath(l.path)
		if waited := clock.Now().Sub(begun); err == nil && lock == nil && waited >= asked {
			lock, err = fsx.TakeLock(l.path, waited) // nobody else may hold it for ever
			asked = waited + time.Second
		}
		if err != nil {
			return fmt.Errorf("cannot lock %s: %w", l.path, err)
		}
		if lock != nil {
			l.locks = append(l.locks, lock)
			if len(l.locks) > maxLocks {
				l.locks[0].Close()
				l.locks = l.locks[1:]
			}
			if ctx.Err() == nil || len(l.locks) == 1 {
				continue // compare again: it may have been unlinked meanwhile
			}
		}
		if task.Wait(LockPoll, ctx.Done()) == 0 {
			return fmt.Errorf("another process has held %s for %s", l.path, words.Span(clock.Now().Sub(begun)))
		}
	}
}

// current compares the newest locked descriptor with the path.
func (l *Lock) current() (bool, error) {
	if len(l.locks) == 0 {
		return false, nil
	}
	named, err := disk.Lstat(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	held, err := l.locks[len(l.locks)-1].Stat()
	if err != nil {
		return false, err
	}
	return disk.SameFile(named, held), nil
}

// Release gives the lock back. It never unlinks the file: another process may wait for it.
func (l *Lock) Release() {
	for _, lock := range l.locks {
		lock.Close()
	}
}
