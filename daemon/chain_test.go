package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
)

// neighbour is a client of the issuer that shares nothing with the owner.
func (w *world) neighbour() *issuer {
	i := newIssuer(testIssuer, "test-client")
	i.client = &http.Client{Transport: &http.Transport{DialContext: w.net.dial, DisableKeepAlives: true}}
	return i
}

// F5: a neighbour and falcred spend one token within the overlap, the
// neighbour is answered first and writes last. The older of the two siblings
// stands in the file, and only the issuer's overlap lets it be used: at once.
func TestF5AnOlderSiblingIsUsedWithinTheOverlap(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 24 * time.Hour, Overlap: 5 * time.Second}, func(w *world) {
		ours, theirs := idp.NewHold(), idp.NewHold()
		w.idp.Inject(ours.Before(), theirs.Before())
		spent := w.signIn("ann")
		w.start()
		<-ours.Arrived
		older := make(chan reply, 1)
		n := w.neighbour()
		go func() { older <- n.exchange(context.Background(), spent, time.Minute) }()
		<-theirs.Arrived
		close(theirs.Release)
		sibling := <-older
		close(ours.Release)
		w.settle()
		w.write(sibling.pair.refresh, sibling.pair.access)
		w.check()
		w.pass(time.Second)
		w.wantRequests(3, "ours, the neighbour's, and the sibling's at once")
		w.pass(24 * time.Hour)
		w.mustGet()
		w.wantAlive()
	})
}

// R3: what another falcred of this home was given is no sibling: it waits for
// its time, however soon after our own refresh it came.
func TestR3AnotherFalcredsTokenIsNoSibling(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		first, firstStop := w.Login, w.stop
		w.start() // shares the home, and adopts what the first has written
		w.idp.SetConfig(func(c *idp.Config) { c.Lifetime = 3 * time.Hour })
		w.mu.Lock()
		f := w.startLocked(w.login.access)
		w.mu.Unlock()
		<-f.done
		first.check()
		w.pass(time.Minute)
		w.wantRequests(2, "the login's, and the second owner's forced one")
		if first.view.Load().token.access != w.inFile().access {
			w.Error("the first owner did not adopt what the second has written")
		}
		firstStop()
		first.work.Wait()
		first.close()
	})
}

// R7: an issuer whose tokens are born old is not asked without a pause.
func TestR7TokensBornOld(t *testing.T) {
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: -time.Second}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.pass(time.Hour)
		if n := w.idp.Stats().TokenRequests; n < 10 || n > 110 {
			w.Errorf("%d requests in an hour; a pause of at most a minute makes about 75", n)
		}
		w.idp.SetConfig(func(c *idp.Config) { c.Lifetime = 2 * time.Hour })
		w.pass(time.Minute)
		w.mustGet()
		w.wantAlive()
	})
}

// R10, §4: whose login is held is the held login's own matter, not that of the
// chain that was here before.
func TestR10TheAccountIsTheHeldLogins(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		if who := w.status().Subject; who != "ann" {
			w.Fatalf("status says %q, want ann", who)
		}
		ann, _, _ := w.idp.Login("ann")
		refresh, access, _ := w.idp.Login("bob")
		w.write(refresh, access)
		w.check()
		if who := w.status().Subject; who != "bob" {
			w.Errorf("status says %q, want bob", who)
		}
		err := w.store(protocol.Login{ServerURL: protocol.DefaultServer, Username: protocol.TokenUsername, Secret: protocol.Secret(ann)})
		var e *protocol.Error
		if !errors.As(err, &e) || e.Code != protocol.CodeDenied {
			w.Errorf("ann's token was stored over bob's login: %v", err)
		}
		if w.inFile() != (pair{refresh, access}) {
			w.Error("bob's login is gone")
		}
		w.wantNoPlaces()
	})
}

// F5: a login that lands while an offered one is being verified is kept.
func TestF5LoginDuringAStore(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.keys = newGate()
		w.start()
		ann, _, _ := w.idp.Login("ann")
		stored := make(chan error, 1)
		go func() {
			stored <- w.store(protocol.Login{ServerURL: protocol.DefaultServer, Username: protocol.TokenUsername, Secret: protocol.Secret(ann)})
		}()
		<-w.keys.arrived
		held := make(chan struct{})
		go func() { // the issuer's keys are not fetched under the lock (R10)
			if h, err := acquire(context.Background(), filepath.Join(w.home, lockFile)); err == nil {
				h.release()
				close(held)
			}
		}()
		<-held
		refresh, access, _ := w.idp.Login("ann")
		w.write(refresh, access)
		w.check()
		close(w.keys.release)
		var e *protocol.Error
		if err := <-stored; !errors.As(err, &e) || e.Code != protocol.CodeDenied {
			w.Errorf("store = %v, want denied", err)
		}
		if w.inFile() != (pair{refresh, access}) {
			w.Error("the login that landed was overwritten")
		}
		if n := w.idp.Stats().Revocations; n != 0 {
			w.Errorf("%d revocations, want none: it may be the same person, and end both", n)
		}
		w.wantNoPlaces()
	})
}

// F5, R13: falcred.json is written under the lock, after what another daemon
// of the home wrote; what could not be written is not lost.
func TestF5MemoryIsMergedUnderTheLock(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		path := filepath.Join(w.home, memoryFile)
		onDisk := func() (m memory) {
			data, err := os.ReadFile(path)
			if err == nil {
				err = json.Unmarshal(data, &m)
			}
			if err != nil {
				w.Fatal(err)
			}
			return m
		}
		h, err := acquire(context.Background(), filepath.Join(w.home, lockFile))
		if err != nil {
			w.Fatal(err)
		}
		w.start()
		if _, err := os.Stat(path); err == nil {
			w.Fatal("falcred.json was written while another held the lock")
		}
		h.release()
		w.pass(time.Second)
		if onDisk().Issuer != testIssuer {
			w.Fatal("the issuer is not recorded (R13)")
		}
		spent := w.signIn("ann")
		w.mustGet()
		w.settle() // the account is written down after the answer
		m := onDisk()
		if !m.spent(spent) || m.subjectOf(w.inFile().refresh) != "ann" {
			w.Fatalf("the chain is not recorded: %+v", m)
		}
		m.spend("another daemon's")
		if err := m.save(w.home); err != nil {
			w.Fatal(err)
		}
		w.remember(func(m *memory) { m.spend("ours") })
		if m := onDisk(); !m.spent("another daemon's") || !m.spent("ours") || !m.spent(spent) {
			w.Fatalf("falcred.json lost something: %+v", m)
		}
		os.Remove(path)
		if err := os.Mkdir(path, 0o700); err != nil { // nothing can be written there
			w.Fatal(err)
		}
		w.remember(func(m *memory) { m.spend("unwritten") })
		os.Remove(path)
		m.save(w.home)
		w.remember(func(*memory) {})
		if m := onDisk(); !m.spent("unwritten") || !m.spent("another daemon's") {
			w.Fatalf("what could not be written is lost: %+v", m)
		}
	})
}

// R4: a client learns the mend too, on the second line.
func TestR4TheMendCrossesTheWire(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		spent := w.signIn("ann")
		if err := os.Mkdir(placePath(w.path, spent), 0o700); err != nil { // no place can be made
			w.Fatal(err)
		}
		w.start()
		_, err := w.get()
		if err == nil || !strings.HasSuffix(err.Error(), "\n"+mendDisk) {
			w.Errorf("get = %v, want the mend on its second line", err)
		}
		if w.status().NextRefresh.IsZero() {
			w.Error("a next try is planned, and status does not name it")
		}
	})
}

// F1: the lock is compared once more before a send and before a write: a
// neighbour unlinks it whoever holds it, and then another holds the new file.
func TestF1ComparesBeforeEachSendAndWrite(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.start()
		e, err := w.begin()
		if err != nil {
			w.Fatal(err)
		}
		defer e.end()
		path := filepath.Join(w.home, lockFile)
		os.Remove(path)
		other, err := acquire(context.Background(), path)
		if err != nil {
			w.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- e.unchanged(w.file.read()) }()
		w.pass(time.Second)
		select {
		case err := <-done:
			w.Fatalf("went on while another held the new lock: %v", err)
		default:
		}
		other.release()
		w.pass(time.Second)
		if err := <-done; err != nil {
			w.Fatal(err)
		}
	})
}

// F3: a look at the file that took long is not applied over a login that was
// adopted meanwhile.
func TestF3AnOldReadingIsReadAgain(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		refresh, access, _ := w.idp.Login("bob")
		looks := 0
		w.file.warn = func(string) { // called in the middle of a look
			switch looks++; looks {
			case 1:
				os.Chmod(w.path, 0o644) // once more, for the second look
			case 2:
				os.WriteFile(w.path+".new", pair{refresh, access}.format(), 0o600)
				os.Rename(w.path+".new", w.path)
				w.check()
			}
		}
		os.Chmod(w.path, 0o644)
		w.check()
		if looks != 2 || w.mustGet() != access {
			w.Error("an older reading won over the login that was adopted")
		}
		w.wantAlive()
	})
}

// R8: the end of one login is not the end of another one that was adopted
// meanwhile.
func TestR8TheEndOfAnotherLogin(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.mu.Lock()
		earlier := loginOver("the login has ended")
		earlier.bound, earlier.login = true, "an earlier login's refresh token"
		w.failedLocked(earlier)
		w.mu.Unlock()
		if s := w.status(); s.State != protocol.StateLoggedIn || s.LastError != "" {
			w.Errorf("the state is %s: %s", s.State, s.LastError)
		}
		w.pass(61 * time.Minute)
		w.wantRequests(2, "it is refreshed at half of its life")
	})
}

// R4, R9: a disk that takes no place for an hour: nothing is sent, the token is
// served, and the first minute after it refreshes.
func TestR4AnHourWithoutAPlace(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 4 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		old := w.inFile()
		if err := os.Mkdir(placePath(w.path, old.refresh), 0o700); err != nil {
			w.Fatal(err)
		}
		w.pass(3 * time.Hour) // due for an hour
		w.wantRequests(1, "no place, no request")
		if w.mustGet() != old.access {
			w.Error("another token is served")
		}
		os.Remove(placePath(w.path, old.refresh))
		w.pass(time.Minute + time.Second)
		w.wantRequests(2, "the disk is back")
		w.wantAlive()
	})
}
