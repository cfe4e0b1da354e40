package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/falcred/falcred/protocol/strict"
	"github.com/gofrs/flock"
)

const (
	// lockPoll is how often a held lock is tried again. The neighbours try
	// every 250 ms, so we are rarely the one who starves.
	lockPoll = 20 * time.Millisecond
	// lockWait covers the longest hold of a well-behaved neighbour (20 s).
	lockWait = 25 * time.Second
	// holdMax is F1's bound on one hold: the neighbours give up at 20 s.
	holdMax = 17 * time.Second
)

// maxLocks bounds what one hold keeps open, beside a neighbour that unlinks without a
// pause.
const maxLocks = 8

// lockFile is in the home; its name is the SDK's.
const lockFile = ".portalock"

// hold is .portalock, held (F1). The neighbours unlink that file after use,
// so the path can come to name another file while we hold the old one: hold
// then collects both.
type hold struct {
	path  string
	locks []*flock.Flock
}

// acquire waits for the lock until ctx ends.
func acquire(ctx context.Context, path string) (*hold, error) {
	h := &hold{path: path}
	if err := h.confirm(ctx); err != nil {
		h.release()
		return nil, err
	}
	return h, nil
}

// confirm makes sure that we hold the file that the path names now, and takes
// that one too where it is another (F1). It stands before every send and write, so
// here the home is looked at anew (F6).
func (h *hold) confirm(ctx context.Context) error {
	if err := strict.Folder(filepath.Dir(h.path)); err != nil {
		return err
	}
	begun := time.Now()
	for {
		current, err := h.current()
		if err != nil || current {
			return err
		}
		// Nonblocking open: a FIFO of that name must not hold us, nor a link lead us
		// elsewhere.
		lock := flock.New(h.path, flock.SetFlag(os.O_CREATE|os.O_RDWR|nonblock|noFollow), flock.SetPermissions(0o600))
		locked, err := lock.TryLock()
		if err == nil && locked {
			err = strict.Own(h.path, lock)
		}
		switch {
		case err != nil:
			lock.Close()
			return fmt.Errorf("cannot lock %s: %w", h.path, strict.NoLink(h.path, err))
		case locked:
			h.locks = append(h.locks, lock)
			if len(h.locks) > maxLocks {
				h.locks[0].Close()
				h.locks = h.locks[1:]
			}
			if ctx.Err() == nil || len(h.locks) == 1 {
				continue // compare again: it may have been unlinked meanwhile
			}
		default:
			lock.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s has been held by another process for %s", h.path, time.Since(begun).Round(time.Second))
		case <-time.After(lockPoll):
		}
	}
}

// current compares the newest locked descriptor with the path.
func (h *hold) current() (bool, error) {
	if len(h.locks) == 0 {
		return false, nil
	}
	named, err := os.Lstat(h.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	held, err := h.locks[len(h.locks)-1].Stat()
	if err != nil {
		return false, err
	}
	return os.SameFile(named, held), nil
}

// release never unlinks the file (F1).
func (h *hold) release() {
	for _, lock := range h.locks {
		lock.Close()
	}
}
