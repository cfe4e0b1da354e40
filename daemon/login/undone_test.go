//go:build linux || darwin

package login

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/disk"
)

// These tests undo what falcred has done: files of the home are put back,
// moved, cut and replaced behind its back.

// F5: what this process knows to be used up stays so, whatever becomes of
// falcred.json: deleted, or put back from a backup with the whole home.
func TestF5ABackupOfTheHomeIsPutBack(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"restored", "deleted"} {
		t.Run(mode, func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
				path := filepath.Join(w.home, journal.LedgerName)
				w.signIn("ann")
				w.start()
				backup, old := w.inFile(), []byte(nil)
				old, _ = os.ReadFile(path)
				w.pass(61 * time.Minute)
				w.wantRequests(2, "halfway")
				os.Remove(path)
				if mode == "restored" {
					os.WriteFile(path, old, 0o600)
				}
				w.write(backup.Refresh, backup.Access)
				w.reconcile()
				w.pass(2 * time.Hour)
				w.mustGet()
				w.wantAlive()
			})
		})
	}
}

// F5: a daemon that shares the home knows what another one has used up, also
// outside of its own refreshes.
func TestF5AnotherDaemonsSpentTokens(t *testing.T) {
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		first, firstStop := w.Manager, w.stop
		old := w.inFile()
		w.start()
		second, secondStop := w.Manager, w.stop
		w.Manager, w.stop = first, firstStop
		w.refresh(w.state().Tokens.Access)
		w.kill()
		w.Manager, w.stop = second, secondStop
		w.reconcile()
		w.write(old.Refresh, old.Access) // a neighbour's late write
		w.reconcile()
		w.pass(2 * time.Hour)
		w.mustGet()
		w.wantAlive()
	})
}

// F3: the home is away during a refresh, and comes back.
func TestF3TheHomeIsAwayDuringARefresh(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		hold := idp.NewHold()
		w.idp.Inject(hold.After())
		w.mu.Lock()
		f := start(w.Manager, w.state().Tokens.Access)
		w.mu.Unlock()
		<-hold.Arrived
		os.Rename(w.home, w.home+".away")
		close(hold.Release)
		<-f.done
		os.Rename(w.home+".away", w.home)
		w.reconcile()
		w.pass(time.Minute)
		w.mustGet()
		w.wantAlive()
		if n := w.idp.Stats().Revocations; n != 0 {
			w.Errorf("%d revocations: it was no logout", n)
		}
	})
}

// R5: a file that holds the new token is done, though something after its write
// failed, or another put it there. Otherwise a loop without a pause follows.
func TestR5InPlaceIsDone(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		os.Link(w.path, w.home+"/copy") // written in place, and then the place is removed
		hold := idp.NewHold()
		w.idp.Inject(hold.After())
		w.mu.Lock()
		f := start(w.Manager, w.state().Tokens.Access)
		w.mu.Unlock()
		<-hold.Arrived
		for _, path := range journal.Others(w.path, "") {
			os.Remove(path)
		}
		close(hold.Release)
		<-f.done
		w.pass(2 * time.Minute)
		w.wantAlive()

		hold = idp.NewHold()
		w.idp.Inject(hold.After())
		w.mu.Lock()
		f = start(w.Manager, w.state().Tokens.Access)
		w.mu.Unlock()
		<-hold.Arrived
		w.write("\x01") // nothing to write over
		close(hold.Release)
		<-f.done
		os.Rename(journal.Others(w.path, "")[0], w.path) // as another daemon of the home settles it
		w.reconcile()
		w.pass(2 * time.Minute)
		w.wantAlive()
	})
}

// A store that has written its login does not revoke it for what fails after.
func TestStoreKeepsWhatItWrote(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		os.Link(w.path, w.home+"/copy")
		ann, _, _ := w.idp.Login("ann")
		hold := idp.NewHold()
		w.idp.Inject(hold.After())
		stored := make(chan error, 1)
		go func() { stored <- w.offer(ann) }()
		<-hold.Arrived
		for _, path := range journal.Others(w.path, "") {
			os.Remove(path)
		}
		close(hold.Release)
		if err := <-stored; err != nil {
			w.Error(err)
		}
		w.wantAlive()
	})
}

// F5: an offered token is used up by the proof, be the offer taken or not: neither a
// program that tries again nor a file that holds it has it sent a second time.
func TestARefusedOfferIsUsedUp_F5(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		bobs, _, _ := w.idp.Login("bob")
		if err := w.offer(bobs); protocol.AsError(err).Code != protocol.CodeDenied {
			t.Fatalf("bob's login was stored over ann's: %v", err)
		}
		if !w.usedUp(bobs) {
			t.Error("it is not written down as used up")
		}
		sent := w.idp.Stats().TokenRequests
		if err := w.offer(bobs); protocol.AsError(err).Code != protocol.CodeBadRequest {
			t.Errorf("offered again: %v", err)
		}
		w.write(bobs)
		w.reconcile()
		w.pass(time.Minute)
		w.wantRequests(sent, "it was sent a second time")
		w.wantAlive()
	})
}

// F5: a login that lands before an offered one is sent is kept, and the offer not used up.
func TestF5LoginBeforeAStore(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.open()
		w.signIn("ann")
		w.reconcile()
		w.settle()
		offered, _, _ := w.idp.Login("ann")
		refresh, access, _ := w.idp.Login("ann")
		sent := w.idp.Stats().TokenRequests
		looks := 0
		w.file.Warn = func(string) { // called in the middle of a look
			if looks++; looks == 5 { // two make a reading, and one is made before the lock is taken
				w.write(refresh, access)
				return
			}
			disk.Chmod(w.path, 0o644) // once more, for the next one
		}
		disk.Chmod(w.path, 0o644)
		if err := w.offer(offered); err == nil || looks != 5 {
			t.Errorf("%v, after %d looks", err, looks)
		}
		w.wantRequests(sent, "it was sent")
		if w.usedUp(offered) || w.inFile().Refresh != refresh {
			t.Error("the offer counts as used up, or the login that landed is gone")
		}
		w.wantNoEntries()
	})
}

// §4: stores that the issuer keeps waiting do not stand in a row before a
// refresh: one at a time is let in.
func TestStoresDoNotQueueUp(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		hang := idp.HangBefore()
		w.idp.SetFault(&hang)
		refused := make(chan error, 20)
		for range 20 {
			go func() { refused <- w.offer("no-such-token") }()
		}
		w.settle()
		for range 19 {
			var e *protocol.Error
			if err := <-refused; !errors.As(err, &e) || e.Code != protocol.CodeUnavailable {
				w.Errorf("store = %v, want unavailable", err)
			}
		}
		w.idp.SetFault(nil)
		begun := time.Now()
		w.refresh(w.state().Tokens.Access)
		if took := time.Since(begun); took > tokenfile.HoldMax {
			w.Errorf("a refresh waited %s behind one store", took)
		}
		<-refused
	})
}

// R7: somebody who undoes each refresh makes no storm.
func TestR7NoStormIfARefreshIsUndone(t *testing.T) {
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		for range maxPerMinute + 100 {
			w.write(w.inFile().Refresh) // strips the access token
			w.reconcile()
			w.settle()
		}
		w.pass(time.Minute)
		if n := w.idp.Stats().TokenRequests; n > maxPerMinute+20 {
			w.Errorf("%d requests within a minute", n)
		}
		w.wantAlive()
	})
}

// F3: an access token that a writer has cut is not served over the whole one.
func TestF3ACutAccessToken(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		whole := w.inFile()
		w.write(whole.Refresh, whole.Access[:len(whole.Access)-20]) // its claims can still be read
		w.reconcile()
		w.settle()
		if w.mustGet() != whole.Access || w.inFile() != whole {
			w.Error("a cut token is served or stays in the file")
		}
		w.wantRequests(1, "nothing is sent for it")
	})
}

// R8: what an ended login's file says about its access token does not make it
// live again.
func TestR8EndedStaysEnded(t *testing.T) {
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		refresh := w.signIn("ann")
		w.idp.Inject(idp.OAuthError(403, "invalid_grant"))
		w.start()
		w.wantCode(protocol.CodeLoginRequired)
		w.write(refresh, "x.y.z")
		w.reconcile()
		w.pass(2 * time.Hour)
		w.wantCode(protocol.CodeLoginRequired)
	})
}

// What is wrong with one account's team is not the next account's, and neither is
// its id, where the accounts cannot be told apart.
func TestTeamTroubleIsTheAccounts(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Teams: acme[1:]}, func(w *world) {
		w.names("acme")
		w.signIn("ann")
		w.start()
		w.wantCode(protocol.CodeTeamUnresolved)
		w.idp.SetConfig(func(c *idp.Config) { c.Teams = acme })
		w.signIn("bob")
		w.reconcile()
		w.pass(time.Second)
		w.wantTeam("team_acme")
	})
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Opaque: true, Teams: acme}, func(w *world) {
		nameless := idp.Without("id_token")
		w.idp.SetFault(&nameless)
		w.names("acme")
		w.signIn("ann")
		w.start()
		w.wantTeam("team_acme")
		w.idp.SetConfig(func(c *idp.Config) { c.Teams = []idp.Team{{Nickname: "acme", UserID: "bobs_acme"}} })
		w.signIn("bob")
		w.reconcile()
		w.pass(time.Minute)
		w.wantTeam("bobs_acme")
	})
}

// F7: the CLI deletes the file because the network is down, and gives the lock
// to us, who were waiting for it and have not seen the deletion yet.
func TestF7DeletedWhileWeWaitForTheLock(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		held := w.inFile()
		cli, err := tokenfile.Acquire(context.Background(), w.home)
		if err != nil {
			w.Fatal(err)
		}
		w.net.Set(testkit.ErrNetDown, false)
		w.mu.Lock()
		f := start(w.Manager, w.state().Tokens.Access)
		w.mu.Unlock()
		w.pass(time.Second)
		os.Remove(w.path)
		cli.Release()
		<-f.done
		w.pass(time.Minute)
		w.wantCode(protocol.CodeUnavailable)
		w.net.Set(nil, false)
		w.pass(2 * time.Minute)
		if w.mustGet() == "" || w.inFile().Refresh == held.Refresh {
			w.Error("the login was not restored by a refresh")
		}
		w.wantAlive()
	})
}

// F5: a logout during a refresh that ends in invalid_grant is not undone by an
// earlier login that is still held as the fallback.
func TestF5NoFallbackUndoesALogout(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.mustGet()
		hold := idp.NewHold()
		w.idp.Inject(hold.Before())
		second, _, _ := w.idp.Login("ann")
		w.write(second)
		w.reconcile()
		<-hold.Arrived
		w.idp.RevokeFamily(second)
		os.Remove(w.path) // nobody has looked when the answer comes
		close(hold.Release)
		w.pass(time.Minute)
		if _, err := os.Stat(w.path); err == nil {
			w.Error("the deleted file is back")
		}
		w.wantCode(protocol.CodeNotFound)
	})
}

// R6: the refresh token of a 2xx answer counts, whatever its access token is.
func TestR6UnusableAccessToken(t *testing.T) {
	for name, access := range map[string]string{"two words": "a b", "too long": strings.Repeat("x", tokenfile.MaxSize)} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
				w.idp.Inject(idp.Fault{Name: name, Mutate: func(m map[string]any) { m["access_token"] = access }})
				w.signIn("ann")
				w.start()
				w.pass(time.Minute)
				w.mustGet()
				w.wantRequests(2, "the odd answer, and the next refresh with the token that came in it")
				w.wantAlive()
			})
		})
	}
}

// F1: no FIFO of falcred.json's name holds us, and with us everybody's lock.
func TestF1AFifoHoldsNobody(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		path := filepath.Join(w.home, journal.LedgerName)
		os.Remove(path)
		if err := mkfifo(path); err != nil {
			w.Fatal(err)
		}
		w.pass(61 * time.Minute)
		w.wantRequests(2, "half of its life")
		w.wantAlive()
		h, err := tokenfile.Acquire(context.Background(), w.home)
		if err != nil {
			w.Fatal(err)
		}
		h.Release()
	})
}

// A logout at an issuer that cannot revoke deletes the file.
func TestEraseWithoutRevocation(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.noRevocation = true
		w.start()
		if _, err := w.Erase(protocol.Query{ServerURL: protocol.DefaultServer}); err != nil {
			w.Error(err)
		}
		w.wantCode(protocol.CodeNotFound)
	})
}

// F3, R7: an empty file is looked at again in a second, and at once when it is
// empty no more: its writer has written the same refresh token and an access
// token that has run out.
func TestF3AnEmptyFileMakesNobodyWait(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		old := w.inFile()
		w.write("")
		w.refresh("") // meets the writer between its truncate and its write
		w.write(old.Refresh, w.idp.Mint("ann", time.Now().Add(-3*time.Hour), 2*time.Hour))
		w.reconcile()
		if c := w.mustGet(); c == old.Access {
			w.Error("the old token was served")
		}
		w.wantRequests(2, "at once")
		w.wantAlive()
	})
}

// F7: while the issuer is asked whether it can be heard, a rotation that has waited for the lock
// sends nothing, which would undo the logout that the answer makes of it.
func TestF7DeletedAndAskedWhileWeWaitForTheLock(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.mustGet()
		theirs, err := tokenfile.Acquire(context.Background(), w.home)
		if err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		f := start(w.Manager, w.state().Tokens.Access)
		w.mu.Unlock()
		w.pass(time.Second)
		w.keys = newGate()
		os.Remove(w.path)
		w.reconcile()
		<-w.keys.arrived
		theirs.Release()
		<-f.done
		w.wantRequests(1, "nobody knows yet what the deletion means")
		close(w.keys.release)
		w.pass(time.Minute)
		w.wantCode(protocol.CodeNotFound)
		if _, err := os.Stat(w.path); err == nil {
			t.Error("the deleted file is back")
		}
	})
}

// F7: what is known of the issuer when the file vanishes is not forgotten by a rotation that had nothing to
// do: where refreshes are not answered the CLI's is not either, and it deletes the file for it.
func TestF7DeletedWhileRefreshesAreNotAnswered(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.front = func(rw http.ResponseWriter, r *http.Request) bool {
			if !w.mute.Load() || !strings.HasSuffix(r.URL.Path, "/token") {
				return false
			}
			rw.WriteHeader(http.StatusBadGateway)
			return true
		}
		w.signIn("ann")
		w.start()
		given := w.mustGet()
		w.mute.Store(true)
		w.pass(10 * time.Minute)
		rejected := protocol.Query{ServerURL: protocol.DefaultServer, Rejected: protocol.Secret(given)}
		w.ask(context.Background(), rejected) // which finds out that refreshes are not answered
		w.pass(5 * time.Minute)
		theirs, err := tokenfile.Acquire(context.Background(), w.home)
		if err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		f := start(w.Manager, given)
		w.mu.Unlock()
		w.pass(time.Second)
		w.keys = newGate()
		os.Remove(w.path)
		w.reconcile()
		<-w.keys.arrived
		theirs.Release()
		<-f.done
		close(w.keys.release)
		w.pass(time.Minute)
		w.wantCode(protocol.CodeUnavailable)
		w.mute.Store(false)
		w.pass(5 * time.Minute)
		w.mustGet()
		w.wantAlive()
	})
}

// F5: what is held is not sent where another falcred of the home has logged out of it, and an old copy
// is in its place before anybody has looked.
func TestHeldTokenThatWasLoggedOutElsewhere_F5(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.mustGet()
		copied, sent := w.inFile(), w.idp.Stats().TokenRequests
		first, end := w.Manager, w.stop
		w.open()
		w.reconcile()
		if _, err := w.Manager.logout(true, true); err != nil {
			t.Fatal(err)
		}
		w.kill()
		w.Manager, w.stop = first, end
		w.write(copied.Refresh, copied.Access)
		w.pass(3 * time.Hour)
		w.wantCode(protocol.CodeLoginRequired)
		w.wantRequests(sent, "it was logged out of")
	})
}

// §4: a store's proof is a refresh, for the other daemons of the home, too: no client has its token
// replaced within five minutes of it.
func TestNoRefreshIsForcedAfterAStoreElsewhere(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.start()
		first, end := w.another()
		offered, _, _ := w.idp.Login("ann")
		if err := first.Store(protocol.Login{ServerURL: protocol.DefaultServer, Username: protocol.TokenUsername, Secret: protocol.Secret(offered)}, Client{}); err != nil {
			t.Fatal(err)
		}
		end()
		w.reconcile()
		given := w.mustGet()
		c, err := w.ask(context.Background(), protocol.Query{ServerURL: protocol.DefaultServer, Rejected: protocol.Secret(given)})
		if err != nil || string(c.Secret) != given {
			t.Errorf("%v, %v", c, err)
		}
		w.wantRequests(1, "the store's proof")
	})
}

// F5: where a neighbour's login was written meanwhile, and the disk is full, the journal's entry alone
// knows that the token before it was used up: it stays until that can be written down.
func TestEntryStaysUntilItIsWrittenDown_F5(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		hold := idp.NewHold()
		w.idp.Inject(hold.After())
		spent := w.signIn("ann")
		w.start()
		<-hold.Arrived
		ledger := filepath.Join(w.home, journal.LedgerName)
		if err := os.Rename(ledger, ledger+".away"); err != nil {
			t.Fatal(err)
		}
		unblock := block(w, ledger)
		refresh, access, _ := w.idp.Login("ann")
		w.write(refresh, access)
		close(hold.Release)
		w.settle()
		if !journal.Exists(w.path, spent) {
			t.Fatal("nothing on the disk knows of the token that was used up")
		}
		unblock()
		if err := os.Rename(ledger+".away", ledger); err != nil {
			t.Fatal(err)
		}
		w.pass(2 * time.Hour)
		w.wantNoEntries()
		if known, err := journal.Load(w.home); err != nil || !known.Consumed(spent) {
			t.Errorf("it is not written down: %v", err)
		}
		w.wantAlive()
	})
}
