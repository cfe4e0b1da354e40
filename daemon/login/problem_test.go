package login

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/disk"
)

// foreignToken is an access token of an issuer that is not this home's.
func foreignToken() string {
	body := fmt.Sprintf(`{"iss":"https://other.example/","sub":"eve","iat":%d,"exp":%d}`, time.Now().Unix(), time.Now().Add(time.Hour).Unix())
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(body)) + ".c2ln"
}

// F3, R7: an empty file that cannot be restored is tried again with a pause.
func TestR7AnEmptyFileIsNoLoop(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 24 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		lock := filepath.Join(w.home, tokenfile.LockName)
		os.Remove(lock)
		names := []string{lock, lock + ".damaged", lock + ".damaged-1", lock + ".damaged-2"}
		for _, name := range names { // nothing can be done under it, nor can it be set aside
			if err := os.MkdirAll(filepath.Join(name, "not empty"), 0o700); err != nil {
				w.Fatal(err)
			}
		}
		w.write("")
		w.reconcile()
		w.pass(time.Hour) // never comes back from a loop without a pause
		w.mustGet()
		for _, name := range names {
			os.RemoveAll(name)
		}
		w.pass(time.Minute)
		w.wantAlive()
	})
}

// R5, F5: an answer that could not be written leaves its token consumed, also
// after the ledger has been read anew.
func TestF5AConsumedTokenIsNotForgotten(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		old := w.inFile()
		e := w.transaction()
		entry, err := journal.Begin(e.target, old.Refresh)
		if err != nil {
			w.Fatal(err)
		}
		entry.Keep() // it is closed: whatever is written now fails
		answer := issuer.Reply{Tokens: tokenfile.TokenPair{Refresh: "the next one", Access: "x"}, Lifetime: time.Hour}
		e.keep(entry, candidate{refresh: old.Refresh, before: w.file.Read()}, &answer)
		e.end()
		writeDown(context.Background(), w.Manager, Note{})
		if l := w.state().Ledger; !l.Consumed(old.Refresh) || !l.IsTip("the next one") {
			w.Errorf("the consumed token is forgotten: %+v", l)
		}
	})
}

// R13: a login of another issuer is not served, whenever it lands.
func TestR13ForeignLoginDuringARefresh(t *testing.T) {
	landing(t, func(w *world, _ stage, _ string) { w.write("foreign", foreignToken()) }, func(w *world, _ stage, _ string) {
		w.wantCode(protocol.CodeLoginRequired)
		if w.inFile().Refresh != "foreign" {
			w.Error("the foreign login was overwritten")
		}
	})
}

func TestR13ForeignLoginEndsTheWait(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.net.Set(testkit.ErrNetDown, false)
		os.Remove(w.path)
		w.reconcile()
		w.settle()
		w.wantCode(protocol.CodeUnavailable)
		w.write("foreign", foreignToken())
		w.reconcile()
		if _, err := w.get(); err == nil || !strings.Contains(err.Error(), "another issuer") {
			w.Errorf("get = %v", err)
		}
	})
}

// R13: where falcred.json has gone meanwhile, the home's issuer stands in it again before
// the next refresh is sent.
func TestTheIssuerIsRecordedAnew_R13(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		if err := os.Remove(filepath.Join(w.home, journal.LedgerName)); err != nil {
			t.Fatal(err)
		}
		hold := idp.NewHold()
		w.idp.Inject(hold.Before())
		w.pass(time.Hour)
		<-hold.Arrived
		if l, err := journal.Load(w.home); err != nil || l.Issuer != testIssuer || l.Subject != "ann" {
			t.Errorf("while a refresh is sent falcred.json says %+v, %v", l, err)
		}
		close(hold.Release)
		w.settle()
		w.mustGet()
		w.wantAlive()
	})
}

// R8: the fallback is tried once, and a network that fails is no try. The token
// that the issuer has rejected is not sent again on the way to it.
func TestR8TheFallbackWaitsForTheNetwork(t *testing.T) {
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
		w.net.Set(testkit.ErrNetDown, false) // the next request, the fallback's, finds none
		close(hold.Release)
		w.pass(time.Minute)
		w.wantRequests(2, "login, and the dead token")
		w.net.Set(nil, false)
		w.pass(2 * time.Minute)
		w.mustGet()
		w.wantRequests(3, "the fallback")
		w.wantAlive()
	})
}

// R8: a login that a person has just made, line 1 only, is not replaced by the
// one before it when it proves dead: that may be another account's.
func TestR8AFallbackIsNobodyElses(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		bob, _, _ := w.idp.Login("bob")
		w.idp.RevokeFamily(bob)
		w.write(bob)
		w.reconcile()
		w.wantCode(protocol.CodeLoginRequired)
		if w.inFile().Refresh != bob {
			w.Error("ann's login replaced bob's")
		}
	})
}

// F5: what a transaction found out about a deleted login does not end the one that
// was adopted meanwhile.
func TestF5ALogoutEndsItsOwnLogin(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		failed := Failed{failure: *deleted("the token file was deleted")}
		failed.about = new("an earlier one")
		w.apply(failed)
		w.mustGet()
	})
}

// R11, F3: a restore needs no issuer.
func TestF3RestoresWithoutDiscovery(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 24 * time.Hour}, func(w *world) {
		refresh, access, _ := w.idp.Login("ann")
		w.write(refresh, access)
		w.net.Set(testkit.ErrNetDown, false)
		w.start()
		w.write("")
		w.reconcile()
		w.pass(time.Minute)
		if w.inFile() != (tokenfile.TokenPair{Refresh: refresh, Access: access}) {
			w.Error("the emptied file was not restored")
		}
	})
}

// R1, R7: whoever asks at the moment at which a rotation fails finds either that rotation
// or its pause, and starts no other.
func TestR7NobodyAsksBetweenAFailureAndItsPause(t *testing.T) {
	manyDays(t)
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		fault := idp.Status(http.StatusServiceUnavailable)
		w.idp.SetFault(&fault)
		refresh, _, _ := w.idp.Login("ann")
		w.write(refresh, w.ranOut("ann"))
		w.open()
		w.reconcile()
		w.settle()
		for n := range 200 {
			w.wantRequests(n+1, "the first, and one for each pause")
			w.pass(time.Minute + time.Second)
			var askers sync.WaitGroup
			for range 200 {
				askers.Go(func() { w.get() })
			}
			askers.Wait()
			w.settle()
		}
	})
}

// F6: what a home that others can write has stopped, the lock too, is over as soon as the
// home is right again: nobody is told of it any more.
func TestProblemOfTheHomeEnds_F6(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		if err := disk.Chmod(w.home, 0o777); err != nil {
			t.Fatal(err)
		}
		w.pass(61 * time.Minute)
		w.refresh("")
		if s := w.state(); s.Problem == nil || s.FileProblem == nil {
			t.Fatalf("nothing stopped it: %+v, %+v", s.Problem, s.FileProblem)
		}
		w.settle() // a refresh that was due met it, too
		if err := disk.Chmod(w.home, 0o700); err != nil {
			t.Fatal(err)
		}
		w.reconcile()
		if s := w.Snapshot().Status(); s.LastError != "" {
			t.Errorf("status still says %q", s.LastError)
		}
		w.pass(time.Second)
		w.wantRequests(2, "it was due")
		w.wantAlive()
	})
}
