//go:build linux || darwin

package daemon

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
)

// F3, S5: a home that is moved, deleted and made anew again and again. fsnotify
// 1.10.1 tells of that as an error, which it sends while it holds the lock that
// Add and WatchList want: a reader of its channels that called those stood still
// for good.
//
// What the watcher's own goroutine does is slowed down by mu, which it wants at
// each event, so that the time to look comes while an error waits for it.
func TestF3HomeMovedAndDeleted(t *testing.T) {
	h := newHouse(t, idp.Config{})
	other := shortDir(t)
	h.cfg.REST = h.idp.URL // the team is looked for at each event, under mu
	h.cfg.FalConfig.Path = filepath.Join(other, "config.toml")
	l, err := newLogin(h.cfg, h.logger())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.watch(ctx)
	}()
	const rounds, steps = 20, 6
	for range rounds {
		h.seen(l)
		l.mu.Lock()
		os.Remove(h.file)
		h.moveAndDelete(h.cfg.Home)
		h.moveAndDelete(other)
		for range steps { // who has waited so long for mu is given it, and then we are again
			<-time.After(debounce + 2*time.Millisecond)
			l.mu.Unlock()
			l.mu.Lock()
		}
		l.mu.Unlock()
	}
	h.seen(l)
	cancel()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the watcher does not end")
	}
	l.work.Wait()
	l.close()
}

// seen wants a login that is written now to be noticed long before the next look
// at the file.
func (h *house) seen(l *Login) {
	h.Helper()
	_, access := h.signIn("ann")
	h.eventually("the login in the file is noticed", func() bool {
		return l.view.Load().token.access == access
	})
}

// moveAndDelete has a folder vanish in two steps, and come back at once.
func (h *house) moveAndDelete(folder string) {
	h.Helper()
	away := folder + ".away"
	if err := os.Rename(folder, away); err != nil {
		h.Fatal(err)
	}
	os.RemoveAll(away)
	if err := os.Mkdir(folder, 0o700); err != nil {
		h.Fatal(err)
	}
}

// What falcred follow keeps is watched in the same way: a home that was moved and
// made anew is watched again, at once.
func TestFollowedHomeMovedAndMadeAnew(t *testing.T) {
	h := newHouse(t, idp.Config{})
	f, err := OpenFollowed(h.cfg, func(text string) { t.Error(text) })
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// What keeps the file, in the form of falcred follow's loop. Only a folder that is
	// away is looked for; all else must be an event.
	kept := func() bool {
		if err := f.Put(t.Context(), "a.b.c"); err != nil && gone(h.cfg.Home) {
			return false
		} else if err != nil {
			t.Fatal(err)
		}
		return true
	}
	next := func() {
		t.Helper()
		changed, again := f.Watch()
		if again > folderAway {
			again = patience
		}
		select {
		case <-changed:
		case <-time.After(again):
			if again == patience {
				t.Fatal("nobody saw it")
			}
		}
	}
	for range 5 {
		for !kept() {
			next()
		}
		os.Remove(h.file)
		next()
		kept()
		h.moveAndDelete(h.cfg.Home)
		next()
	}
}
