//go:build linux

package login

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"golang.org/x/sys/unix"
)

// breakEntry makes each write to an open entry of the journal fail, as a failing disk
// does.
func breakEntry(t *testing.T, path string) {
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
		t.Fatal("no such entry is open")
	}
}

// rotateUnsaved lets a rotation be answered and its answer be lost on the disk.
func (w *world) rotateUnsaved() (sent, newest string) {
	w.Helper()
	sent = w.inFile().Refresh
	hold := idp.NewHold()
	w.idp.Inject(hold.After())
	forced := make(chan struct{})
	go func() { w.force(); close(forced) }()
	<-hold.Arrived
	breakEntry(w.T, journal.Path(w.path, sent))
	close(hold.Release)
	<-forced
	newest = w.state().Tokens.Refresh
	if w.inFile().Refresh != sent || newest == sent || !w.idp.Alive(newest) {
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
		w.open() // the schedule would put it in its place at once
		w.reconcile()
		w.pass(2 * competingWindow)
		sent, _ := w.rotateUnsaved()
		writeDown(context.Background(), w.Manager, Note{}) // a team was resolved, say
		if w.usedUp(sent) {
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
		w.open() // the schedule would put it in its place at once
		w.reconcile()
		w.pass(2 * competingWindow)
		_, newest := w.rotateUnsaved()
		w.mu.Lock()
		w.Manager.state.Refreshed = w.Manager.state.Refreshed.Add(-2 * competingWindow) // the disk has been full for a while
		w.mu.Unlock()
		other, _, _ := w.idp.Login("ann")
		w.write(other, w.idp.Mint("ann", time.Now().Add(time.Second), 2*time.Hour))
		w.reconcile()
		w.settle()
		s := w.state()
		if kept, consumed := s.Fallback.Refresh == newest, s.Ledger.Consumed(newest); !kept || consumed {
			t.Errorf("kept as the fallback: %v; called consumed: %v", kept, consumed)
		}
		w.idp.RevokeFamily(other)
		w.run()
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
		w.rotateApart(listed + 6)
		w.kill()
		list := filepath.Join(w.home, journal.ConsumedName)
		if err := os.Rename(list, list+".away"); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(list+".away", list); err != nil { // which may lead to a list, and is not followed
			t.Fatal(err)
		}
		w.start()
		living, requests := w.inFile(), w.idp.Stats().TokenRequests
		w.write(old.Refresh)
		w.reconcile()
		w.pass(time.Minute)
		w.mustGet()
		w.wantRequests(requests, "it may have been used up")
		if s := w.Snapshot().Status(); !strings.Contains(s.LastError, "nobody can tell") || !strings.Contains(s.Hint, journal.ConsumedName) {
			t.Errorf("status says %q, %q", s.LastError, s.Hint)
		}
		if login, _, _ := w.idp.Login("ann"); true { // one that falcred login has noted is new, whatever the list says
			l, err := journal.Load(w.home)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.WithTip(tokenfile.TokenPair{Refresh: login}, "ann").Save(w.home); err == nil {
				t.Error("the list was written through a link")
			}
			w.write(login)
			w.reconcile()
			w.pass(time.Minute)
			w.mustGet()
			w.wantRequests(requests+1, "a login that falcred has noted")
			living = w.inFile()
			w.write(old.Refresh)
			w.reconcile()
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

// TestLogoutWithAnUnreadableList_F6: falcred's own files hold no login, and stop no
// logout.
func TestLogoutWithAnUnreadableList_F6(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		list := filepath.Join(w.home, journal.ConsumedName)
		if err := os.Rename(list, list+".away"); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(list+".away", list); err != nil {
			t.Fatal(err)
		}
		refresh := w.signIn("ann")
		if done, err := w.logout(false, true); err != nil || !done.Revoked {
			t.Fatalf("logout = %+v, %v", done, err)
		}
		if _, err := os.Lstat(w.path); err == nil || w.idp.Alive(refresh) {
			t.Errorf("the file is there: %v; its login is alive: %v", err == nil, w.idp.Alive(refresh))
		}
		w.wantCode(protocol.CodeNotFound)
	})
}

// TestOldCopyOfWhat_F5: only a living login is worth an older one of its account.
func TestOldCopyOfWhat_F5(t *testing.T) {
	t.Parallel()
	older := func(w *world) (refresh string) {
		refresh, _, _ = w.idp.Login("ann")
		w.write(refresh, w.idp.Mint("ann", time.Now().Add(-20*time.Minute), 2*time.Hour))
		w.reconcile()
		w.pass(time.Minute)
		return refresh
	}
	taken := func(w *world, refresh string) {
		w.pass(2 * time.Hour)
		w.mustGet()
		w.wantAlive()
		if !w.state().Ledger.Consumed(refresh) {
			w.Errorf("what is held did not come of the login that landed\n%s", w.log)
		}
	}
	t.Run("rejected, its fallback too", func(t *testing.T) {
		inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
			first, _, _ := w.idp.Login("ann")
			w.write(first, w.idp.Mint("ann", time.Now(), 2*time.Hour))
			w.start()
			w.pass(2 * competingWindow)
			dead, _, _ := w.idp.Login("ann")
			w.idp.RevokeFamily(dead)
			w.idp.RevokeFamily(first)
			w.write(dead, w.idp.Mint("ann", time.Now().Add(-3*time.Minute), time.Minute))
			w.reconcile()
			w.pass(time.Minute)
			w.wantCode(protocol.CodeLoginRequired)
			taken(w, older(w))
		})
	})
	t.Run("rejected, its fallback not tried yet", func(t *testing.T) {
		inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
			w.signIn("ann")
			w.start()
			dead, _, _ := w.idp.Login("ann")
			w.idp.RevokeFamily(dead)
			hold := idp.NewHold()
			w.idp.Inject(hold.After())
			w.write(dead, w.ranOut("ann"))
			w.reconcile()
			<-hold.Arrived
			w.net.Set(testkit.ErrNetDown, false)
			close(hold.Release)
			w.settle()
			refresh := older(w)
			if s := w.state(); s.Dead != dead || s.Tokens.Refresh != refresh || w.inFile().Refresh != refresh {
				t.Errorf("the login that landed is not the one held\n%s", w.log)
			}
			w.net.Set(nil, false)
			taken(w, refresh)
		})
	})
	t.Run("distrusted", func(t *testing.T) {
		inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
			w.signIn("ann")
			w.start()
			w.pass(2 * competingWindow)
			w.apply(Rotated{Tokens: w.state().Tokens.TokenPair, Verdict: issuer.Verdict{Wrong: errors.New("another account")}})
			w.settle()
			taken(w, older(w))
		})
	})
	t.Run("noted by falcred itself", func(t *testing.T) {
		inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
			w.signIn("ann")
			w.start()
			w.pass(2 * competingWindow)
			refresh, _, _ := w.idp.Login("ann")
			p := tokenfile.TokenPair{Refresh: refresh, Access: w.idp.Mint("ann", time.Now().Add(-20*time.Minute), 2*time.Hour)}
			l, err := journal.Load(w.home) // as `falcred login` does
			if err != nil {
				t.Fatal(err)
			}
			if err := l.WithTip(p, "ann").Save(w.home); err != nil {
				t.Fatal(err)
			}
			w.write(string(p.Bytes()))
			w.reconcile()
			w.settle()
			if w.inFile().Refresh != refresh {
				t.Errorf("what falcred login wrote was overwritten\n%s", w.log)
			}
		})
	})
}
