package daemon

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
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
		lock := filepath.Join(w.home, lockFile)
		os.Remove(lock)
		if err := os.Mkdir(lock, 0o700); err != nil { // nothing can be done under it
			w.Fatal(err)
		}
		w.write("")
		w.check()
		w.pass(time.Hour) // never comes back from a loop without a pause
		w.mustGet()
		os.Remove(lock)
		w.pass(time.Minute)
		w.wantAlive()
	})
}

// R5, F5: an answer that could not be written leaves its token spent, also
// after memory has been read anew.
func TestF5ASpentTokenIsNotForgotten(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		old := w.inFile()
		e, err := w.begin()
		if err != nil {
			w.Fatal(err)
		}
		p, err := openPlace(e.target, old.refresh)
		if err != nil {
			w.Fatal(err)
		}
		p.file.Close() // whatever is written now fails
		if _, err := e.save(p, e.file.read(), old.refresh, reply{outcome: granted, pair: pair{"the next one", "x"}, lifetime: time.Hour}); err != nil {
			w.Fatal(err)
		}
		e.end()
		w.remember(func(*memory) {})
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.memory.spent(old.refresh) || !w.memory.issued("the next one") {
			w.Errorf("the spent token is forgotten: %+v", w.memory)
		}
	})
}

// F5: a daemon that had nothing to say takes nothing away.
func TestF5MergeKeepsTheChain(t *testing.T) {
	m := memory{}
	m.step("a", pair{refresh: "b"})
	m.belongs("b", "ann")
	was := m
	m.merge(memory{Issuer: "x"})
	older := memory{}
	older.step("0", pair{refresh: "a"}) // its tip has been spent since
	m.merge(older)
	if m.Tip != was.Tip || m.Subject != "ann" || !m.spent("0") {
		t.Errorf("%+v became %+v", was, m)
	}
}

// R13: a login of another issuer is not served, whenever it lands.
func TestR13ForeignLoginDuringARefresh(t *testing.T) {
	landing(t, func(w *world, _ stage, _ string) { w.write("foreign", foreignToken()) }, func(w *world, _ stage, _ string) {
		w.wantCode(protocol.CodeLoginRequired)
		if w.inFile().refresh != "foreign" {
			w.Error("the foreign login was overwritten")
		}
	})
}

func TestR13ForeignLoginEndsTheWait(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.net.set(errNetDown, false)
		os.Remove(w.path)
		w.check()
		w.settle()
		w.wantCode(protocol.CodeUnavailable)
		w.write("foreign", foreignToken())
		w.check()
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
		if err := os.Remove(filepath.Join(w.home, memoryFile)); err != nil {
			t.Fatal(err)
		}
		hold := idp.NewHold()
		w.idp.Inject(hold.Before())
		w.pass(time.Hour)
		<-hold.Arrived
		if m, err := loadMemory(w.home); err != nil || m.Issuer != testIssuer || m.Subject != "ann" {
			t.Errorf("while a refresh is sent falcred.json says %+v, %v", m, err)
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
		w.check()
		<-hold.Arrived
		w.net.set(errNetDown, false) // the next request, the fallback's, finds none
		close(hold.Release)
		w.pass(time.Minute)
		w.wantRequests(2, "login, and the dead token")
		w.net.set(nil, false)
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
		w.check()
		w.wantCode(protocol.CodeLoginRequired)
		if w.inFile().refresh != bob {
			w.Error("ann's login replaced bob's")
		}
	})
}

// F5: what an errand found out about a deleted login does not end the one that
// was adopted meanwhile.
func TestF5ALogoutEndsItsOwnLogin(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.mu.Lock()
		w.failedLocked(&setback{gone: true, bound: true, login: "an earlier one", trouble: trouble{text: "the token file was deleted"}})
		w.mu.Unlock()
		w.mustGet()
	})
}

// R11, F3: a restore needs no issuer.
func TestF3RestoresWithoutDiscovery(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 24 * time.Hour}, func(w *world) {
		refresh, access, _ := w.idp.Login("ann")
		w.write(refresh, access)
		w.net.set(errNetDown, false)
		w.start()
		w.write("")
		w.check()
		w.pass(time.Minute)
		if w.inFile() != (pair{refresh, access}) {
			w.Error("the emptied file was not restored")
		}
	})
}
