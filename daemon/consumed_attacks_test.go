//go:build linux

package daemon

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"golang.org/x/sys/unix"
)

// breakPlace makes each write to an open place fail, as a failing disk does.
func breakPlace(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	broken := false
	for _, entry := range entries {
		if to, _ := os.Readlink("/proc/self/fd/" + entry.Name()); to != path {
			continue
		}
		fd, err := strconv.Atoi(entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		reading, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(reading)
		if err := unix.Dup3(reading, fd, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		broken = true
	}
	if !broken {
		t.Fatal("no such place is open")
	}
}

// refreshUnsaved lets a refresh be answered and its answer be lost on the disk.
func (w *world) refreshUnsaved() (sent, newest string) {
	w.Helper()
	sent = w.inFile().refresh
	hold := idp.NewHold()
	w.idp.Inject(hold.After())
	w.mu.Lock()
	f := w.startLocked(w.login.access)
	w.mu.Unlock()
	<-hold.Arrived
	breakPlace(w.T, placePath(w.path, sent))
	close(hold.Release)
	<-f.done
	w.mu.Lock()
	newest = w.login.refresh
	w.mu.Unlock()
	if w.inFile().refresh != sent || newest == sent || !w.idp.Alive(newest) {
		w.Fatalf("the set-up went wrong\n%s", w.log)
	}
	return sent, newest
}

// TestUnsavedAnswerIsReplayed_R4_F5: a token whose answer has not reached the disk is
// not written down as consumed, whoever else writes falcred.json: after a kill the next
// start replays it.
func TestUnsavedAnswerIsReplayed_R4_F5(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Overlap: time.Minute}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.pass(2 * siblingWindow)
		sent, _ := w.refreshUnsaved()
		w.remember(func(*memory) {}) // a team was resolved, say
		if found, _ := consumedIn(w.home).contains(fingerprint(sent)); found {
			t.Error("it is written down as consumed, and its answer is nowhere")
		}
		killed := t.TempDir() // what is on the disk is all there is
		if err := os.CopyFS(killed, os.DirFS(w.home)); err != nil {
			t.Fatal(err)
		}
		w.kill()
		w.home, w.path = killed, filepath.Join(killed, env.TokenFile)
		w.start()
		w.mustGet()
		w.wantAlive()
	})
}

// TestUnsavedAnswerIsTheFallback_F5: the newest token, in memory only, was used up by
// nobody, whatever lands in the file.
func TestUnsavedAnswerIsTheFallback_F5(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.pass(2 * siblingWindow)
		_, newest := w.refreshUnsaved()
		w.mu.Lock()
		w.refreshed = w.refreshed.Add(-2 * siblingWindow) // the disk has been full for a while
		w.mu.Unlock()
		other, _, _ := w.idp.Login("ann")
		w.write(other, w.idp.Mint("ann", time.Now().Add(time.Second), 2*time.Hour))
		w.check()
		w.settle()
		w.mu.Lock()
		kept, spent := w.fallback.refresh == newest, w.memory.spent(newest)
		w.mu.Unlock()
		if !kept || spent {
			t.Errorf("kept as the fallback: %v; called consumed: %v", kept, spent)
		}
		w.idp.RevokeFamily(other)
		w.pass(3 * time.Hour)
		w.mustGet()
		w.wantAlive()
	})
}

// TestUnreadableListTellsNothing_F5: while nobody can tell whether a token was used up,
// the living login is served, and the other is neither adopted nor sent.
func TestUnreadableListTellsNothing_F5(t *testing.T) {
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		old := w.inFile()
		w.rotateApart(savedSpent + 6)
		w.kill()
		list := filepath.Join(w.home, consumedFile)
		if err := os.Rename(list, list+".away"); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(list, 0o700); err != nil {
			t.Fatal(err)
		}
		w.start()
		living, requests := w.inFile(), w.idp.Stats().TokenRequests
		w.write(old.refresh)
		w.check()
		w.pass(time.Minute)
		w.mustGet()
		w.wantRequests(requests, "it may have been used up")
		if s := w.status(); !strings.Contains(s.LastError, "cannot be told") || !strings.Contains(s.Hint, consumedFile) {
			t.Errorf("status says %q, %q", s.LastError, s.Hint)
		}
		if err := os.Remove(list); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(list+".away", list); err != nil {
			t.Fatal(err)
		}
		w.pass(2 * time.Minute)
		if w.inFile() != living {
			t.Errorf("the living login is not back\n%s", w.log)
		}
		w.wantAlive()
	})
}

// TestOldCopyOfWhat_F5: only a living login is worth an older one of its account.
func TestOldCopyOfWhat_F5(t *testing.T) {
	t.Parallel()
	older := func(w *world) (refresh string) {
		refresh, _, _ = w.idp.Login("ann")
		w.write(refresh, w.idp.Mint("ann", time.Now().Add(-20*time.Minute), 2*time.Hour))
		w.check()
		w.pass(time.Minute)
		return refresh
	}
	taken := func(w *world, refresh string) {
		w.pass(2 * time.Hour)
		w.mustGet()
		w.wantAlive()
		if !w.idp.Alive(w.inFile().refresh) {
			w.Errorf("the living login was overwritten\n%s", w.log)
		}
	}
	t.Run("rejected, its fallback too", func(t *testing.T) {
		inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
			first, _, _ := w.idp.Login("ann")
			w.write(first, w.idp.Mint("ann", time.Now(), 2*time.Hour))
			w.start()
			w.pass(2 * siblingWindow)
			dead, _, _ := w.idp.Login("ann")
			w.idp.RevokeFamily(dead)
			w.idp.RevokeFamily(first)
			w.write(dead, w.idp.Mint("ann", time.Now().Add(-3*time.Minute), time.Minute))
			w.check()
			w.pass(time.Minute)
			w.wantCode(protocol.CodeLoginRequired)
			taken(w, older(w))
		})
	})
	t.Run("distrusted", func(t *testing.T) {
		inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
			w.signIn("ann")
			w.start()
			w.pass(2 * siblingWindow)
			w.mu.Lock()
			w.memory.distrust(w.login.pair)
			w.distrustLocked()
			w.publishLocked()
			w.mu.Unlock()
			taken(w, older(w))
		})
	})
	t.Run("noted by falcred itself", func(t *testing.T) {
		inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
			w.signIn("ann")
			w.start()
			w.pass(2 * siblingWindow)
			refresh, _, _ := w.idp.Login("ann")
			p := pair{refresh, w.idp.Mint("ann", time.Now().Add(-20*time.Minute), 2*time.Hour)}
			m, err := loadMemory(w.home) // as `falcred login` does
			if err != nil {
				t.Fatal(err)
			}
			m.setTip(p, "ann")
			if err := m.write(w.home); err != nil {
				t.Fatal(err)
			}
			w.write(string(p.format()))
			w.check()
			w.settle()
			if w.inFile().refresh != refresh {
				t.Errorf("what falcred login wrote was overwritten\n%s", w.log)
			}
		})
	})
}

// TestReplaceLooksLast_F5: who logs in while a login is being written keeps his.
func TestReplaceLooksLast_F5(t *testing.T) {
	target := filepath.Join(t.TempDir(), env.TokenFile)
	asked := false
	err := tokenFile{path: target}.replace(target, pair{refresh: "ours"}, func() error {
		asked = true
		if left := temporaries(target); len(left) != 1 {
			t.Errorf("asked before the new file was on the disk: %v", left)
		}
		return errChanged
	})
	if err != errChanged || !asked || !gone(target) || len(temporaries(target)) != 0 {
		t.Errorf("replace = %v; it left %v", err, temporaries(target))
	}
}
