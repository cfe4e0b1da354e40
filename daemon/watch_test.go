//go:build linux || darwin

package daemon

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/alarm"
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
			os.RemoveAll(h.cfg.Home)
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

// What else happens in the home is no reason to look at the file.
func TestWatchIgnoresOthers(t *testing.T) {
	h := newHouse(t, idp.Config{})
	h.signIn("ann")
	l, err := newLogin(h.cfg, h.logger())
	if err != nil {
		t.Fatal(err)
	}
	s := newSentry(t, l)
	s.aim()
	for i := range 100 {
		for _, name := range []string{placePrefix + "x", ".portalock", memoryFile, fmt.Sprint(i)} {
			if err := os.WriteFile(filepath.Join(h.cfg.Home, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.signIn("ann")
	looks := 0
	for !t.Failed() {
		select {
		case event := <-s.events.Events:
			if !s.concerns(event) {
				continue
			}
			if filepath.Base(event.Name) != "auth0_token" {
				t.Errorf("%s matters", event)
			}
			looks++
		case <-time.After(patience):
			t.Error("the write was not seen")
		}
		if looks > 0 {
			break
		}
	}
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

func newSentry(t *testing.T, l *Login) *sentry {
	t.Helper()
	events, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { events.Close() })
	look := alarm.New()
	t.Cleanup(look.Close)
	return &sentry{login: l, events: events, look: look, at: map[string]fs.FileInfo{}}
}
