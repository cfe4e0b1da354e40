//go:build linux || darwin

package daemon

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/fsnotify/fsnotify"
)

// watching starts a daemon and a watcher that has had its first answer.
func (h *house) watching(first string) *client {
	h.Helper()
	h.run()
	w := h.dial()
	w.send("watch https://fal.run\n")
	w.until(first)
	return w
}

// fresh is another login of the issuer, in the file's form.
func (h *house) fresh() (text, access string) {
	refresh, access, _ := h.idp.Login("ann")
	return refresh + "\n" + access, access
}

// F3: whatever way a neighbour writes, it is seen at once.
func TestF3ForeignWrites(t *testing.T) {
	h := newHouse(t, idp.Config{})
	w := h.watching("not_found")
	_, access := h.signIn("ann") // created
	w.until(access)
	_, access = h.signIn("ann") // in place
	w.until(access)

	text, access := h.fresh() // renamed over
	if err := os.WriteFile(h.file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(h.file+".new", h.file); err != nil {
		t.Fatal(err)
	}
	w.until(access)

	text, access = h.fresh() // unlinked and made anew
	os.Remove(h.file)
	h.write(text)
	w.until(access)

	os.Remove(h.file) // a logout
	w.until("not_found")
}

// F3: the folder behind a link is watched, and the next one after the link
// has changed.
func TestF3Links(t *testing.T) {
	h := newHouse(t, idp.Config{})
	a, b := shortDir(t), shortDir(t)
	text, access := h.fresh()
	target := filepath.Join(a, "login") // another name than the link's
	if err := os.WriteFile(target, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, h.file); err != nil {
		t.Fatal(err)
	}
	w := h.watching(access)
	for _, folder := range []string{a, b, a} {
		target := filepath.Join(folder, "login")
		text, access := h.fresh()
		if err := os.WriteFile(target, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if now, _ := os.Readlink(h.file); now != target {
			os.Symlink(target, h.file+".new")
			if err := os.Rename(h.file+".new", h.file); err != nil {
				t.Fatal(err)
			}
		}
		w.until(access)
		text, access = h.fresh()
		if err := os.WriteFile(target, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w.until(access)
	}
}

// F3: the home may vanish and come back, also at once and also by a rename.
func TestF3HomeVanishes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, idp.Config{})
	h.cfg.Socket = filepath.Join(shortDir(t), "s") // else the daemon ends when a minute does, its socket gone with the home (S1)
	h.sock = h.cfg.Socket
	_, access := h.signIn("ann")
	w := h.watching(access)
	away := h.cfg.Home + ".away"
	t.Cleanup(func() { os.RemoveAll(away) })
	for i := range 3 {
		if i%2 == 0 {
			if err := os.Rename(h.cfg.Home, away); err != nil {
				t.Fatal(err)
			}
		} else {
			removeAll(t, h.cfg.Home)
		}
		if i < 2 {
			w.until("not_found") // else it is back before anybody looks
		}
		if err := os.Mkdir(h.cfg.Home, 0o700); err != nil {
			t.Fatal(err)
		}
		_, access = h.signIn("ann")
		w.until(access)
		_, access = h.signIn("ann") // by the new folder's watch
		w.until(access)
		os.RemoveAll(away)
	}
}

// What else happens in the home is no reason to look at the file, and nobody who
// is busy keeps fsnotify waiting.
func TestWatchIgnoresOthers(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "auth0_token")
	f := &folders{stirred: make(chan struct{}, 1), wanted: make(chan aim, 1)}
	f.aim(file)
	events := &fsnotify.Watcher{Events: make(chan fsnotify.Event), Errors: make(chan error)}
	go f.hear(events)
	tell := func(name string) { events.Events <- fsnotify.Event{Name: name, Op: fsnotify.Write} }
	for _, name := range []string{placePrefix + "x", ".portalock", memoryFile, "1"} {
		tell(filepath.Join(home, name))
	}
	tell(filepath.Join(home, "the ones before have been heard"))
	if len(f.stirred) != 0 {
		t.Error("others matter")
	}
	for what, happen := range map[string]func(){
		"the file":    func() { tell(file) },
		"the folder":  func() { tell(home) },
		"lost events": func() { events.Errors <- fsnotify.ErrEventOverflow },
	} {
		for range 100 {
			happen()
		}
		tell("the ones before have been heard")
		select {
		case <-f.stirred:
		default:
			t.Errorf("%s: nobody is told", what)
		}
	}
	close(events.Errors)
}

// S5: the end does not wait for fsnotify, whatever that does: here nobody comes to
// what is wanted of it.
func TestS5WatchEndsAlone(t *testing.T) {
	h := newHouse(t, idp.Config{})
	h.signIn("ann")
	l, err := newLogin(h.cfg, h.logger())
	if err != nil {
		t.Fatal(err)
	}
	f := &folders{stirred: make(chan struct{}, 1), wanted: make(chan aim, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.watchBy(ctx, f)
		f.close()
	}()
	late := time.After(patience)
	for range 3 { // it goes on looking
		select {
		case f.stirred <- struct{}{}:
		case <-late:
			t.Fatal("its look waits for fsnotify")
		}
	}
	cancel()
	select {
	case <-ended:
	case <-late:
		t.Fatal("its end waits for fsnotify")
	}
	l.work.Wait()
	l.close()
}

// A token runs out with nobody doing anything; a watcher hears of it.
func TestWatchRunsOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t, idp.Config{})
	refresh, _, _ := h.idp.Login("ann")
	access := h.idp.Mint("ann", time.Now(), 5*time.Second)
	h.write(refresh + "\n" + access)
	l, err := newLogin(h.cfg, h.logger())
	if err != nil {
		t.Fatal(err)
	}
	l.check()
	l.retryAt = time.Now().Add(time.Hour) // R7: nothing is sent, so nothing happens
	h.serveLogin(l, func(*server) {})
	w := h.dial()
	w.send("watch https://fal.run\n")
	w.until(access)
	if got := w.next(); got != "unavailable" {
		t.Errorf("then %.20q", got)
	}
}

// removeAll removes a folder that falcred may still be writing into.
func removeAll(t *testing.T, path string) {
	t.Helper()
	for range 1000 {
		if os.RemoveAll(path); gone(path) {
			return
		}
	}
	t.Fatalf("%s does not go", path)
}
