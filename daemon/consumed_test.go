package daemon

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
)

// TestConsumedFile_F5 holds the file's form: 16 bytes a token, appended once each, over
// a torn tail, in the order of the calls.
func TestConsumedFile_F5(t *testing.T) {
	c := consumedIn(t.TempDir())
	prints := []string{fingerprint("a"), fingerprint("b"), fingerprint("c")}
	contains := func(print string, want bool) {
		t.Helper()
		if got, err := c.contains(print); got != want || err != nil {
			t.Fatalf("contains = %v, %v; want %v", got, err, want)
		}
	}
	ensure := func(prints ...string) {
		t.Helper()
		if err := c.ensure(prints); err != nil {
			t.Fatal(err)
		}
	}
	contains(prints[0], false) // no file yet
	ensure(prints[0], "no fingerprint")
	ensure(prints[0], prints[1])
	file, err := os.OpenFile(c.path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	file.Write([]byte("torn"))
	file.Close()
	contains(prints[1], true)
	contains(prints[2], false)
	ensure(prints[2])
	contains(prints[2], true)
	want := recordsOf(prints)
	if got, _ := os.ReadFile(c.path); !bytes.Equal(got, want) {
		t.Errorf("the file holds %x, want %x", got, want)
	}
	if info, _ := os.Stat(c.path); info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
	os.WriteFile(c.path, want[:20], 0o600) // cut, as by a backup: what is known comes back
	ensure(prints...)
	for _, print := range prints {
		contains(print, true)
	}
}

// TestConsumedFileIsNoLink_F6: nothing is appended through a link of its name.
func TestConsumedFileIsNoLink_F6(t *testing.T) {
	home := t.TempDir()
	bashrc := filepath.Join(t.TempDir(), "bashrc")
	if err := os.Symlink(bashrc, filepath.Join(home, consumedFile)); err != nil {
		t.Skip("no links here:", err)
	}
	if err := consumedIn(home).ensure([]string{fingerprint("a")}); err == nil {
		t.Error("it was written through a link")
	}
	if _, err := os.Lstat(bashrc); err == nil {
		t.Error("the link's target was made")
	}
}

// TestLearnKeepsTheNewest_F5: of two lists the newest entries are kept, in whatever
// order they are merged.
func TestLearnKeepsTheNewest_F5(t *testing.T) {
	prints := make([]string, maxSpent+40)
	for i := range prints {
		prints[i] = fingerprint(string(rune(i)))
	}
	older, newer := prints[:maxSpent], prints[40:]
	for name, merge := range map[string][2][]string{"the older one learns": {older, newer}, "the newer one learns": {newer, older}} {
		m := memory{Spent: merge[0]}
		m.learn(memory{Spent: merge[1]})
		if last := m.Spent[len(m.Spent)-1]; len(m.Spent) != maxSpent || last != prints[len(prints)-1] || m.Spent[0] != newer[0] {
			t.Errorf("%s: %d entries, and the newest is not the last", name, len(m.Spent))
		}
	}
}

// rotateApart is n refreshes, as clients can have them.
func (w *world) rotateApart(n int) {
	w.Helper()
	for range n {
		w.mu.Lock()
		f := w.startLocked(w.login.access)
		w.mu.Unlock()
		<-f.done
		w.pass(2 * siblingWindow) // each is a chain's next link, and its token younger
	}
	w.settle()
}

// putBack writes an old copy over the file and lets falcred do what it will.
func (w *world) putBack(old pair) {
	w.Helper()
	requests := w.idp.Stats().TokenRequests
	living := w.inFile()
	w.write(string(old.format()))
	w.check()
	w.settle()
	w.mustGet()
	w.wantRequests(requests, "an old copy is never sent")
	if w.inFile() != living {
		w.Errorf("the living login is not back in the file\n%s", w.log)
	}
	w.wantAlive()
}

// TestConsumedForEver_F5: a refresh token that was used up is never sent again, however
// long ago that was, with or without its access token, and whatever became of
// falcred's own files.
func TestConsumedForEver_F5(t *testing.T) {
	if memory := "/dev/shm"; rotations > 1000 && isFolder(memory) { // each rotation waits for a disk several times
		t.Setenv("TMPDIR", memory)
	}
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Algorithm: "ES256"}, func(w *world) {
		w.signIn("ann")
		w.start()
		old := w.inFile()
		json, err := os.ReadFile(filepath.Join(w.home, memoryFile))
		if err != nil {
			w.Fatal(err)
		}
		w.rotateApart(rotations)
		w.putBack(old)
		w.putBack(pair{refresh: old.refresh})

		second := w.inFile()
		w.rotateApart(1)
		// The list is put back, and deleted: what falcred.json and this process know
		// stands in it again.
		for _, damage := range []func(path string){
			func(path string) { os.Truncate(path, consumedRecord) },
			func(path string) { os.Remove(path) },
		} {
			damage(filepath.Join(w.home, consumedFile))
			w.putBack(pair{refresh: second.refresh})
		}
		w.rotateApart(1)

		// falcred.json is that of the beginning, and the daemon a new one.
		w.kill()
		if err := os.WriteFile(filepath.Join(w.home, memoryFile), json, 0o600); err != nil {
			w.Fatal(err)
		}
		w.start()
		w.putBack(pair{refresh: second.refresh})
		w.rotateApart(1)
		w.kill()

		// With no daemon to put the living one back it is not sent either.
		requests := w.idp.Stats().TokenRequests
		living := w.inFile()
		w.write(second.refresh)
		w.start()
		w.wantCode(protocol.CodeLoginRequired)
		w.wantRequests(requests, "an old copy at the start")
		w.write(string(living.format()))
		w.check()
		w.mustGet()
		w.wantAlive()
	})
}

// TestConsumedByAnotherDaemon_F5: two daemons of one home have one list.
func TestConsumedByAnotherDaemon_F5(t *testing.T) {
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		old := w.inFile()
		first, firstStop := w.Login, w.stop
		w.start()
		w.rotateApart(savedSpent + 6)
		os.Remove(filepath.Join(w.home, memoryFile)) // and the first never looked at it
		second, secondStop := w.Login, w.stop
		w.Login, w.stop = first, firstStop
		w.check()
		w.putBack(pair{refresh: old.refresh})
		w.kill()
		w.Login, w.stop = second, secondStop
	})
}

// TestOldCopy_F5 is the rule for a token that nobody here has seen before, case by
// case.
func TestOldCopy_F5(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		sub   string
		older time.Duration // than the access token held
		line1 bool
		stale bool
	}{
		"older by a day":            {sub: "ann", older: 24 * time.Hour, stale: true},
		"older by six minutes":      {sub: "ann", older: 6 * time.Minute, stale: true},
		"older by four minutes":     {sub: "ann", older: 4 * time.Minute},
		"younger":                   {sub: "ann", older: -time.Minute},
		"somebody else's":           {sub: "bob", older: 24 * time.Hour},
		"one line, a login's":       {sub: "ann", older: 24 * time.Hour, line1: true},
		"one line, somebody else's": {sub: "bob", line1: true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 48 * time.Hour}, func(w *world) {
				w.pass(48 * time.Hour)
				w.signIn("ann")
				w.start()
				held := w.inFile()
				refresh, _, _ := w.idp.Login(tt.sub)
				p := pair{refresh, w.idp.Mint(tt.sub, time.Now().Add(-tt.older), 48*time.Hour)}
				if tt.line1 {
					p.access = ""
				}
				if tt.stale {
					w.putBack(p)
					return
				}
				w.write(string(p.format()))
				w.check()
				w.settle()
				if w.inFile().refresh == held.refresh {
					w.Errorf("the new login is not taken for one\n%s", w.log)
				}
				w.mustGet()
				w.wantAlive()
			})
		})
	}
}

// TestNeighboursRotationIsConsumed_F5: what a neighbour has used up is not sent either,
// whether falcred ran at that time or not.
func TestNeighboursRotationIsConsumed_F5(t *testing.T) {
	t.Parallel()
	for _, down := range []bool{false, true} {
		inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
			w.signIn("ann")
			w.start()
			w.mustGet()
			before := w.inFile()
			w.pass(2 * siblingWindow)
			if down {
				w.kill()
			}
			r := w.neighbour().exchange(context.Background(), before.refresh, time.Minute)
			w.write(string(r.pair.format()))
			if down {
				w.start()
			}
			w.check()
			w.settle()
			w.putBack(pair{refresh: before.refresh})
			if found, err := consumedIn(w.home).contains(fingerprint(before.refresh)); !found || err != nil {
				w.Errorf("what the neighbour used up is not written down: %v", err)
			}
			w.rotateApart(1)
			w.putBack(r.pair)
		})
	}
}

// TestUpgradeOfTheList_F5: the list of an earlier version is taken over, and stays in
// falcred.json for it.
func TestUpgradeOfTheList_F5(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		used, _, _ := w.idp.Login("ann")
		r := w.neighbour().exchange(context.Background(), used, time.Minute)
		w.write(string(r.pair.format()))
		earlier := memory{Issuer: testIssuer, Spent: []string{fingerprint(used)}, Tip: fingerprint(r.pair.refresh), Subject: "ann"}
		if err := earlier.write(w.home); err != nil {
			w.Fatal(err)
		}
		w.start()
		w.rotateApart(1)
		if found, err := consumedIn(w.home).contains(fingerprint(used)); !found || err != nil {
			w.Errorf("the earlier version's list was not taken over: %v", err)
		}
		w.putBack(pair{refresh: used})
		if m, err := loadMemory(w.home); err != nil || !m.spent(used) || !m.spent(r.pair.refresh) {
			w.Errorf("the earlier version would not know what is consumed: %+v, %v", m, err)
		}
	})
}

// TestOldJournalEntryIsNotUsed_F5: an answer or a note that was put back from a backup
// is neither put in place nor replayed.
func TestOldJournalEntryIsNotUsed_F5(t *testing.T) {
	for _, answered := range []bool{false, true} {
		inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
			w.signIn("ann")
			w.start()
			first := w.inFile()
			w.rotateApart(1)
			second := w.inFile()
			w.rotateApart(1)
			p, err := openPlace(w.path, first.refresh)
			if err != nil {
				w.Fatal(err)
			}
			if answered {
				p.record(second)
			}
			p.keep()
			w.putBack(first)
			w.wantNoPlaces()
		})
	}
}

// TestHeldLoginIsTheFallback_F5: a login that falcred has not refreshed yet is kept, too,
// until the one that takes its place has proved itself.
func TestHeldLoginIsTheFallback_F5(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		held, _, _ := w.idp.Login("ann")
		w.write(held, w.idp.Mint("ann", time.Now(), 2*time.Hour))
		w.start()
		w.pass(2 * siblingWindow)
		dead, _, _ := w.idp.Login("ann")
		w.idp.RevokeFamily(dead)
		w.write(dead, w.idp.Mint("ann", time.Now().Add(-3*time.Minute), time.Minute)) // older, but no old copy
		w.check()
		w.mustGet()
		w.wantRequests(2, "the dead token, and the fallback")
		w.wantAlive()
	})
}
