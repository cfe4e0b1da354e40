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
func (h *house) watching(first string) *testkit.Client {
	h.Helper()
	h.run()
	w := h.Dial()
	w.Send("watch https://fal.run\n")
	w.Until(first)
	return w
}

// F3: whatever way a neighbour writes, it is seen at once.
func TestF3ForeignWrites(t *testing.T) {
	h := newHouse(t, idp.Config{})
	w := h.watching("not_found")
	_, access := h.SignIn("ann") // created
	w.Until(access)
	_, access = h.SignIn("ann") // in place
	w.Until(access)

	text, access := h.Fresh() // renamed over
	if err := os.WriteFile(h.File+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(h.File+".new", h.File); err != nil {
		t.Fatal(err)
	}
	w.Until(access)

	text, access = h.Fresh() // unlinked and made anew
	os.Remove(h.File)
	h.WriteFile(text)
	w.Until(access)

	os.Remove(h.File) // a logout
	w.Until("not_found")
}

// F3: the folder behind a link is watched, and the next one after the link
// has changed.
func TestF3Links(t *testing.T) {
	h := newHouse(t, idp.Config{})
	a, b := testkit.ShortDir(t), testkit.ShortDir(t)
	text, access := h.Fresh()
	target := filepath.Join(a, "login") // another name than the link's
	if err := os.WriteFile(target, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, h.File); err != nil {
		t.Fatal(err)
	}
	w := h.watching(access)
	for _, folder := range []string{a, b, a} {
		target := filepath.Join(folder, "login")
		text, access := h.Fresh()
		if err := os.WriteFile(target, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if now, _ := os.Readlink(h.File); now != target {
			os.Symlink(target, h.File+".new")
			if err := os.Rename(h.File+".new", h.File); err != nil {
				t.Fatal(err)
			}
		}
		w.Until(access)
		text, access = h.Fresh()
		if err := os.WriteFile(target, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w.Until(access)
	}
}

// F3: the home may vanish and come back, also at once and also by a rename.
func TestF3HomeVanishes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, idp.Config{})
	h.cfg.Socket = filepath.Join(testkit.ShortDir(t), "s") // else the daemon ends when a minute does, its socket gone with the home (S1)
	h.Sock = h.cfg.Socket
	_, access := h.SignIn("ann")
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
			w.Until("not_found") // else it is back before anybody looks
		}
		if err := os.Mkdir(h.cfg.Home, 0o700); err != nil {
			t.Fatal(err)
		}
		_, access = h.SignIn("ann")
		w.Until(access)
		_, access = h.SignIn("ann") // by the new folder's watch
		w.Until(access)
		os.RemoveAll(away)
	}
}

// removeAll removes a folder that falcred may still be writing into.
func removeAll(t *testing.T, path string) {
	t.Helper()
	for range 1000 {
		if os.RemoveAll(path); testkit.Gone(path) {
			return
		}
	}
	t.Fatalf("%s does not go", path)
}
