//go:build system && linux

package daemon

import (
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// F3, S5: the home is moved and deleted in a loop, beside somebody who writes
// logins into it as fast as possible. After that a change is still seen at once,
// and the daemon ends when it is told to.
func TestF3HomeMovedInALoop(t *testing.T) {
	const rounds = 4000
	h := newHouse(t, idp.Config{})
	h.Sock = filepath.Join(testkit.ShortDir(t), "s") // a daemon whose socket goes with the home ends (S1)
	cmd := h.process(testkit.Role("daemon", "FALCRED_SOCKET="+h.Sock))
	h.Status()
	text, _ := h.Fresh()
	over := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				os.WriteFile(h.File, []byte(text), 0o600) // there may be no folder just now
			}
		}
	})
	for i := range rounds {
		h.moveAndDeleteBeside(i)
	}
	close(over)
	writer.Wait()
	w := h.Dial()
	w.Send("watch https://fal.run\n")
	for range 5 { // a look at a whole minute can stand for one event only
		_, access := h.SignIn("ann")
		begun := time.Now()
		w.Until(access)
		t.Log("noticed after ", time.Since(begun).Round(time.Millisecond))
	}
	cmd.Process.Signal(syscall.SIGTERM)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("exit: %v\n%s", err, h.Logged)
		}
	case <-time.After(testkit.Patience):
		t.Fatalf("the daemon does not end\n%s", h.Logged)
	}
}

// moveAndDeleteBeside is moveAndDelete where somebody writes into the folder: it
// may not be empty yet when it is to go. Every fourth time it is deleted where it is.
func (h *house) moveAndDeleteBeside(round int) {
	h.Helper()
	away := h.cfg.Home + ".away"
	if round%4 != 1 {
		if err := os.Rename(h.cfg.Home, away); err != nil {
			h.Fatal(err)
		}
	}
	h.Eventually("the home is gone", func() bool {
		return os.RemoveAll(away) == nil && (round%4 != 1 || os.RemoveAll(h.cfg.Home) == nil)
	})
	if err := os.MkdirAll(h.cfg.Home, 0o700); err != nil {
		h.Fatal(err)
	}
}
