//go:build linux || darwin

package login

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

const npmrc = "//registry.example.com/:_authToken=npm_precious\n"

// swap puts a home of links in place of the world's, as somebody does who can write
// the folder above. The links lead to files of ours that falcred has no business
// with.
func (w *world) swap(victims string) {
	w.Helper()
	w.must(os.Rename(w.home, w.home+".was"))
	w.must(os.Mkdir(w.home, 0o755))
	for name, victim := range map[string]string{
		env.TokenFile: ".npmrc", events.HistoryName: ".bashrc", journal.LedgerName: ".profile",
		tokenfile.LockName: "chosen", "falcred.env": "env",
	} {
		w.must(os.Symlink(filepath.Join(victims, victim), filepath.Join(w.home, name)))
	}
}

func (w *world) swapBack() {
	w.Helper()
	w.must(os.RemoveAll(w.home))
	w.must(os.Rename(w.home+".was", w.home))
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// F6: whoever can write the folder above the home swaps it for one of links. What
// they lead to is neither written, made 0600 nor sent to the issuer; what memory
// holds is served, and all goes on once the folder is mended.
func TestSwappedHome_F6(t *testing.T) {
	above := t.TempDir()
	victims := t.TempDir()
	precious := map[string]string{".npmrc": npmrc, ".bashrc": "alias ll='ls -l'\n", ".profile": "{}\n"}
	for name, text := range precious {
		path := filepath.Join(victims, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o644), os.Chmod(path, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.home = filepath.Join(above, "home")
		w.path = filepath.Join(w.home, env.TokenFile)
		w.must(os.Mkdir(w.home, 0o700))
		w.signIn("ann")
		w.start()
		held := w.mustGet()
		refresh := w.inFile().Refresh
		w.wantRequests(1, "the login")

		w.must(os.Chmod(above, 0o777))
		w.swap(victims)
		w.pass(70 * time.Minute) // a refresh falls due
		if got := w.mustGet(); got != held {
			t.Error("what memory holds is not served")
		}
		w.Note(events.Clock, "")
		w.settle()
		if s := w.Snapshot().Status(); !strings.Contains(s.LastError, above+" can be written by others") || !strings.Contains(s.Hint, "chmod go-w "+above) {
			t.Errorf("status says %q, %q", s.LastError, s.Hint)
		}
		w.pass(time.Hour) // it has run out by now
		w.wantCode(protocol.CodeUnavailable)
		if _, err := w.logout(true, true); err == nil || !strings.Contains(err.Error(), "chmod go-w "+above) {
			t.Errorf("a logout there: %v", err)
		}
		w.wantRequests(1, "the home is not ours to use")
		for name, text := range precious {
			data, err := os.ReadFile(filepath.Join(victims, name))
			info, statErr := os.Stat(filepath.Join(victims, name))
			w.must(errors.Join(err, statErr))
			if string(data) != text || info.Mode().Perm() != 0o644 {
				t.Errorf("%s was changed: %q, %v", name, data, info.Mode())
			}
		}
		if entries, err := os.ReadDir(victims); err != nil || len(entries) != len(precious) {
			t.Errorf("a file was made: %v, %v", entries, err)
		}

		w.swapBack()
		w.must(os.Chmod(above, 0o755))
		w.pass(2 * time.Minute)
		if got := w.mustGet(); got == held {
			t.Error("no refresh came of the mended folder")
		}
		if w.inFile().Refresh == refresh || w.Snapshot().Status().LastError != "" {
			t.Errorf("it is not over: %q", w.Snapshot().Status().LastError)
		}
		w.wantAlive()
	})
}
