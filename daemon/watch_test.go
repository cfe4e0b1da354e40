//go:build linux || darwin

package daemon

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
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
	a, b := testkit.ShortDir(t), testkit.ShortDir(t)
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
	h.cfg.Socket = filepath.Join(testkit.ShortDir(t), "s") // else the daemon ends when a minute does, its socket gone with the home (S1)
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
