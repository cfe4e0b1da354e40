//go:build linux || darwin

package follow

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/env"
)

func TestMain(m *testing.M) {
	testkit.Isolate()
	os.Exit(m.Run())
}

// F3: what falcred follow keeps is watched as a login is: a home that was moved and made
// anew is watched again, at once.
func TestFollowedHomeMovedAndMadeAnew_F3(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	testkit.Must(t, os.Mkdir(home, 0o700))
	f, err := Open(home, func(text string) { t.Error(text) })
	testkit.Must(t, err)
	defer f.Close()
	gone := func() bool {
		_, err := os.Lstat(home)
		return errors.Is(err, fs.ErrNotExist)
	}
	// What keeps the file, in the form of falcred follow's loop. Only a folder that is
	// away is looked for; all else must be an event.
	kept := func() bool {
		if err := f.Put(t.Context(), "a.b.c"); err != nil && gone() {
			return false
		} else if err != nil {
			t.Fatal(err)
		}
		return true
	}
	next := func() {
		t.Helper()
		changed, again := f.Watch()
		if again > tokenfile.FolderPoll {
			again = testkit.Patience
		}
		select {
		case <-changed:
		case <-time.After(again):
			if again == testkit.Patience {
				t.Fatal("nobody saw it")
			}
		}
	}
	for range 5 {
		for !kept() {
			next()
		}
		os.Remove(filepath.Join(home, env.TokenFile))
		next()
		kept()
		away := home + ".away"
		testkit.Must(t, os.Rename(home, away))
		os.RemoveAll(away)
		testkit.Must(t, os.Mkdir(home, 0o700))
		next()
	}
}
