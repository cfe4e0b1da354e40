package login

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

// listed is how many consumed tokens falcred.json lists: falcred.consumed has all.
const listed = 64

// usedUp says whether falcred.consumed has a refresh token.
func (w *world) usedUp(refresh string) bool {
	w.Helper()
	used, err := journal.Used(w.home, refresh)
	if err != nil {
		w.Fatal(err)
	}
	return used
}

// rotateApart is n rotations, as clients can have them.
func (w *world) rotateApart(n int) {
	w.Helper()
	for range n {
		w.force()
		w.pass(2 * competingWindow) // each is a chain's next link, and its token younger
	}
	w.settle()
}

// putBack writes an old copy over the file and lets falcred do what it will.
func (w *world) putBack(old tokenfile.TokenPair) {
	w.Helper()
	requests := w.idp.Stats().TokenRequests
	living := w.inFile()
	w.write(string(old.Bytes()))
	w.reconcile()
	w.settle()
	w.mustGet()
	w.wantRequests(requests, "an old copy is never sent")
	if w.inFile() != living {
		w.Errorf("the living login is not back in the file\n%s", w.log)
	}
	w.wantAlive()
}

// rotations is what [TestConsumedForEver_F5] lets a login live through: more than
// falcred.json lists. (daemon/sim has it live through many thousands.)
const rotations = listed + 2

// TestConsumedForEver_F5: a refresh token that was used up is never sent again, however
// long ago that was, with or without its access token, and whatever became of
// falcred's own files.
func TestConsumedForEver_F5(t *testing.T) {
	manyDays(t)
	if ram := "/dev/shm"; fsx.IsFolder(ram) { // each rotation waits for a disk several times
		t.Setenv("TMPDIR", ram)
	}
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Algorithm: "ES256"}, func(w *world) {
		w.signIn("ann")
		w.start()
		old := w.inFile()
		json, err := os.ReadFile(filepath.Join(w.home, journal.LedgerName))
		if err != nil {
			w.Fatal(err)
		}
		w.rotateApart(rotations)
		if l, err := journal.Load(w.home); err != nil || l.Consumed(old.Refresh) {
			w.Fatalf("falcred.json still lists it, so this test shows nothing: %v", err)
		}
		w.putBack(old)
		w.putBack(tokenfile.TokenPair{Refresh: old.Refresh})

		second := w.inFile()
		w.rotateApart(1)
		// The list is put back, and deleted: what falcred.json and this process know
		// stands in it again.
		for _, damage := range []func(path string){
			func(path string) { os.Truncate(path, 16) },
			func(path string) { os.Remove(path) },
			func(path string) { // with falcred.json, so that this process alone knows
				os.Remove(path)
				os.WriteFile(filepath.Join(w.home, journal.LedgerName), json, 0o600)
			},
		} {
			damage(filepath.Join(w.home, journal.ConsumedName))
			w.putBack(tokenfile.TokenPair{Refresh: second.Refresh})
		}
		w.rotateApart(1)

		// falcred.json is that of the beginning, and the daemon a new one.
		w.kill()
		if err := os.WriteFile(filepath.Join(w.home, journal.LedgerName), json, 0o600); err != nil {
			w.Fatal(err)
		}
		w.start()
		w.putBack(tokenfile.TokenPair{Refresh: second.Refresh})
		w.rotateApart(1)
		w.kill()

		// With no daemon to put the living one back it is not sent either.
		requests := w.idp.Stats().TokenRequests
		living := w.inFile()
		w.write(second.Refresh)
		w.start()
		w.wantCode(protocol.CodeLoginRequired)
		w.wantRequests(requests, "an old copy at the start")
		w.write(string(living.Bytes()))
		w.reconcile()
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
		first, firstStop := w.Manager, w.stop
		w.start()
		w.rotateApart(listed + 6)
		os.Remove(filepath.Join(w.home, journal.LedgerName)) // and the first never looked at it
		second, secondStop := w.Manager, w.stop
		w.Manager, w.stop = first, firstStop
		w.reconcile()
		w.putBack(tokenfile.TokenPair{Refresh: old.Refresh})
		w.kill()
		w.Manager, w.stop = second, secondStop
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
				p := tokenfile.TokenPair{Refresh: refresh, Access: w.idp.Mint(tt.sub, time.Now().Add(-tt.older), 48*time.Hour)}
				if tt.line1 {
					p.Access = ""
				}
				if tt.stale {
					w.putBack(p)
					return
				}
				w.write(string(p.Bytes()))
				w.reconcile()
				w.settle()
				if w.inFile().Refresh == held.Refresh {
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
			w.pass(2 * competingWindow)
			if down {
				w.kill()
			}
			r := w.neighbour().Refresh(context.Background(), before.Refresh, time.Minute)
			w.write(string(r.Tokens.Bytes()))
			if down {
				w.start()
			}
			w.reconcile()
			w.settle()
			w.putBack(tokenfile.TokenPair{Refresh: before.Refresh})
			if !w.usedUp(before.Refresh) {
				w.Error("what the neighbour used up is not written down")
			}
			w.rotateApart(1)
			w.putBack(r.Tokens)
		})
	}
}

// TestUpgradeOfTheList_F5: the list of an earlier version is taken over, and stays in
// falcred.json for it.
func TestUpgradeOfTheList_F5(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		used, _, _ := w.idp.Login("ann")
		r := w.neighbour().Refresh(context.Background(), used, time.Minute)
		w.write(string(r.Tokens.Bytes()))
		earlier := journal.Ledger{Issuer: testIssuer, Recent: []string{tokenfile.Fingerprint(used)}, Tip: tokenfile.Fingerprint(r.Tokens.Refresh), Subject: "ann"}
		if err := earlier.Save(w.home); err != nil {
			w.Fatal(err)
		}
		if err := os.Remove(filepath.Join(w.home, journal.ConsumedName)); err != nil { // it knew none
			w.Fatal(err)
		}
		w.start()
		w.rotateApart(1)
		if !w.usedUp(used) {
			w.Error("the earlier version's list was not taken over")
		}
		w.putBack(tokenfile.TokenPair{Refresh: used})
		if l, err := journal.Load(w.home); err != nil || !l.Consumed(used) || !l.Consumed(r.Tokens.Refresh) {
			w.Errorf("the earlier version would not know what is consumed: %+v, %v", l, err)
		}
	})
}

// TestOldJournalEntryIsNotUsed_F5: an answer or an empty entry that was put back from a backup
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
			entry, err := journal.Begin(w.path, first.Refresh)
			if err != nil {
				w.Fatal(err)
			}
			if answered {
				entry.Record(second)
			}
			entry.Keep()
			w.putBack(first)
			w.wantNoEntries()
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
		w.pass(2 * competingWindow)
		dead, _, _ := w.idp.Login("ann")
		w.idp.RevokeFamily(dead)
		w.write(dead, w.idp.Mint("ann", time.Now().Add(-3*time.Minute), time.Minute)) // older, but no old copy
		w.reconcile()
		w.mustGet()
		w.wantRequests(2, "the dead token, and the fallback")
		w.wantAlive()
	})
}

// R4, F5: the answer to a fallback that was tried is asked for again while the issuer forgives it,
// though the access token of the login that was rejected has hours to go.
func TestLostAnswerToTheFallback_R4F5(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 4 * time.Hour, Overlap: 10 * time.Minute}, func(w *world) {
		held, _, _ := w.idp.Login("ann")
		w.write(held, w.idp.Mint("ann", time.Now(), 2*time.Hour))
		w.start()
		w.pass(2 * competingWindow)
		dead, _, _ := w.idp.Login("ann")
		w.idp.RevokeFamily(dead)
		w.write(dead, w.idp.Mint("ann", time.Now().Add(-3*time.Minute), 4*time.Hour)) // older, but no old copy
		w.reconcile()
		w.idp.Inject(idp.DelayAfter(0), idp.Lose(), idp.Lose())
		w.refresh(w.mustGet())
		w.wantRequests(3, "the dead token, the fallback, and its replay")
		w.pass(2 * time.Minute)
		w.wantAlive()
		w.wantNoEntries()
		if w.state().Tokens.Refresh == dead {
			w.Error("the dead login is held")
		}
	})
}
