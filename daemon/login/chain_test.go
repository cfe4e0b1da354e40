package login

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/disk"
)

// neighbour is a client of the issuer that shares nothing with the owner.
func (w *world) neighbour() *issuer.Provider {
	w.Helper()
	return issuer.New(testIssuer, "test-client", w.config().Transport)
}

// leavesAnswer is another falcred of the home that has used a token up, and was killed before
// what came for it was in the file: it lies in the journal.
func (w *world) leavesAnswer(sent string) tokenfile.TokenPair {
	w.Helper()
	reply := w.neighbour().Refresh(w.Context(), sent, issuer.AnswerTimeout)
	if reply.Outcome != issuer.Granted {
		w.Fatal(reply.Err)
	}
	entry, err := journal.Begin(w.path, sent)
	testkit.Must(w.T, err)
	testkit.Must(w.T, entry.Record(reply.Tokens))
	entry.Keep()
	return reply.Tokens
}

// force replaces the access token held, however fresh it is, as clients can have it.
func (w *world) force() {
	w.Helper()
	w.mu.Lock()
	c := start(w.Manager, w.Manager.state.Tokens.Access)
	w.mu.Unlock()
	<-c.done
}

// F5: a neighbour and falcred spend one token within the overlap, the
// neighbour is answered first and writes last. The older of the two competing tokens
// stands in the file, and only the issuer's overlap lets it be used: at once.
func TestF5AnOlderCompetingTokenIsUsedWithinTheOverlap(t *testing.T) {
	manyDays(t)
	inBubble(t, idp.Config{Lifetime: 24 * time.Hour, Overlap: 5 * time.Second}, func(w *world) {
		ours, theirs := idp.NewHold(), idp.NewHold()
		w.idp.Inject(ours.Before(), theirs.Before())
		consumed := w.signIn("ann")
		w.start()
		<-ours.Arrived
		older := make(chan issuer.Reply, 1)
		n := w.neighbour()
		go func() { older <- n.Refresh(context.Background(), consumed, time.Minute) }()
		<-theirs.Arrived
		close(theirs.Release)
		competing := <-older
		close(ours.Release)
		w.settle()
		w.write(competing.Tokens.Refresh, competing.Tokens.Access)
		w.reconcile()
		w.pass(time.Second)
		w.wantRequests(3, "ours, the neighbour's, and the competing one at once")
		w.pass(24 * time.Hour)
		w.mustGet()
		w.wantAlive()
	})
}

// R3: what another falcred of this home was given does not compete: it waits for
// its time, however soon after our own refresh it came.
func TestR3AnotherFalcredsTokenDoesNotCompete(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		first, firstStop := w.Manager, w.stop
		w.start() // shares the home, and adopts what the first has written
		w.idp.SetConfig(func(c *idp.Config) { c.Lifetime = 3 * time.Hour })
		w.force()
		first.reconcile()
		w.pass(time.Minute)
		w.wantRequests(2, "the login's, and the second owner's forced one")
		if first.Snapshot().State.token().Access != w.inFile().Access {
			w.Error("the first owner did not adopt what the second has written")
		}
		firstStop()
		first.Close()
	})
}

// R7: an issuer whose tokens are born old is not asked without a pause.
func TestR7TokensBornOld(t *testing.T) {
	manyDays(t)
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
		if who := w.Snapshot().Status().Subject; who != "ann" {
			w.Fatalf("status says %q, want ann", who)
		}
		ann, _, _ := w.idp.Login("ann")
		refresh, access, _ := w.idp.Login("bob")
		w.write(refresh, access)
		w.reconcile()
		if who := w.Snapshot().Status().Subject; who != "bob" {
			w.Errorf("status says %q, want bob", who)
		}
		err := w.Store(protocol.Login{ServerURL: protocol.DefaultServer, Username: protocol.TokenUsername, Secret: protocol.Secret(ann)}, Client{})
		var e *protocol.Error
		if !errors.As(err, &e) || e.Code != protocol.CodeDenied {
			w.Errorf("ann's token was stored over bob's login: %v", err)
		}
		if w.inFile() != (tokenfile.TokenPair{Refresh: refresh, Access: access}) {
			w.Error("bob's login is gone")
		}
		w.wantNoEntries()
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
			stored <- w.Store(protocol.Login{ServerURL: protocol.DefaultServer, Username: protocol.TokenUsername, Secret: protocol.Secret(ann)}, Client{})
		}()
		<-w.keys.arrived
		held := make(chan struct{})
		go func() { // the issuer's keys are not fetched under the lock (R10)
			if h, err := tokenfile.Acquire(context.Background(), w.home); err == nil {
				h.Release()
				close(held)
			}
		}()
		<-held
		refresh, access, _ := w.idp.Login("ann")
		w.write(refresh, access)
		w.reconcile()
		close(w.keys.release)
		var e *protocol.Error
		if err := <-stored; !errors.As(err, &e) || e.Code != protocol.CodeDenied {
			w.Errorf("store = %v, want denied", err)
		}
		if w.inFile() != (tokenfile.TokenPair{Refresh: refresh, Access: access}) {
			w.Error("the login that landed was overwritten")
		}
		if n := w.idp.Stats().Revocations; n != 0 {
			w.Errorf("%d revocations, want none: it may be the same person, and end both", n)
		}
		w.wantNoEntries()
	})
}

// F5, R13: falcred.json is written under the lock, after what another daemon
// of the home wrote; what could not be written is not lost.
func TestF5TheLedgerIsMergedUnderTheLock(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		path := filepath.Join(w.home, journal.LedgerName)
		onDisk := func() (l journal.Ledger) {
			data, err := os.ReadFile(path)
			if err == nil {
				err = json.Unmarshal(data, &l)
			}
			if err != nil {
				w.Fatal(err)
			}
			return l
		}
		remember := func(refresh string) {
			writeDown(context.Background(), w.Manager, Note{Consumed: tokenfile.Fingerprint(refresh)})
		}
		h, err := tokenfile.Acquire(context.Background(), w.home)
		if err != nil {
			w.Fatal(err)
		}
		w.start()
		if _, err := os.Stat(path); err == nil {
			w.Fatal("falcred.json was written while another held the lock")
		}
		h.Release()
		w.pass(time.Second)
		if onDisk().Issuer != testIssuer {
			w.Fatal("the issuer is not recorded (R13)")
		}
		consumed := w.signIn("ann")
		w.mustGet()
		w.settle() // the account is written down after the answer
		l := onDisk()
		if !l.Consumed(consumed) || l.SubjectOf(w.inFile().Refresh) != "ann" {
			w.Fatalf("the chain is not recorded: %+v", l)
		}
		l = l.Consume("another daemon's")
		if err := l.Save(w.home); err != nil {
			w.Fatal(err)
		}
		remember("ours")
		if l := onDisk(); !l.Consumed("another daemon's") || !l.Consumed("ours") || !l.Consumed(consumed) {
			w.Fatalf("falcred.json lost something: %+v", l)
		}
		os.Remove(path)
		if err := os.Mkdir(path, 0o700); err != nil { // nothing can be written there
			w.Fatal(err)
		}
		remember("unwritten")
		os.Remove(path)
		l.Save(w.home)
		writeDown(context.Background(), w.Manager, Note{})
		if l := onDisk(); !l.Consumed("unwritten") || !l.Consumed("another daemon's") {
			w.Fatalf("what could not be written is lost: %+v", l)
		}
	})
}

// R4: a client learns the hint too, on the second line.
func TestR4TheHintCrossesTheWire(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		refresh := w.signIn("ann")
		blockEntry(w, refresh)
		w.start()
		_, err := w.get()
		if err == nil || !strings.HasSuffix(err.Error(), "\n"+fsx.DiskHint) {
			w.Errorf("get = %v, want the hint on its second line", err)
		}
		if w.Snapshot().Status().NextRefresh.IsZero() {
			w.Error("a next try is planned, and status does not name it")
		}
	})
}

// F1: the lock is compared once more before a send and before a write: a
// neighbour unlinks it whoever holds it, and then another holds the new file.
func TestF1ComparesBeforeEachSendAndWrite(t *testing.T) {
	testkit.InWine(t, "a file that is open keeps its name when it is removed")
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.start()
		e := w.transaction()
		defer e.end()
		os.Remove(filepath.Join(w.home, tokenfile.LockName))
		other, err := tokenfile.Acquire(context.Background(), w.home)
		if err != nil {
			w.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- e.unchanged(w.file.Read()) }()
		w.pass(time.Second)
		select {
		case err := <-done:
			w.Fatalf("went on while another held the new lock: %v", err)
		default:
		}
		other.Release()
		w.pass(time.Second)
		if err := <-done; err != nil {
			w.Fatal(err)
		}
	})
}

// F5, R4: what somebody has written since the file was read is seen before anything is
// sent: the token that was chosen may be used up by now. No entry is left for it, which
// would have it replayed.
func TestF5NothingIsSentForAFileThatChanged(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.open()
		w.signIn("ann")
		e := w.transaction()
		defer e.end()
		c, err := e.choose("")
		if err != nil || c.refresh != w.inFile().Refresh {
			w.Fatalf("nothing was chosen: %v", err)
		}
		refresh, access, _ := w.idp.Login("ann")
		w.write(refresh, access)
		if _, err := e.beginEntry(c); !errors.Is(err, errChanged) {
			w.Errorf("it would have been sent: %v", err)
		}
		w.wantNoEntries()
	})
}

// F3: a reading of the file that took long is not applied over a login that was
// adopted meanwhile.
func TestF3AnOldReadingIsReadAgain(t *testing.T) {
	testkit.InWine(t, "it replaces no file that is open")
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		refresh, access, _ := w.idp.Login("bob")
		readings := 0
		w.file.Warn = func(string) { // called in the middle of a reading
			switch readings++; readings {
			case 1:
				disk.Chmod(w.path, 0o644) // once more, for the second reading
			case 2:
				os.WriteFile(w.path+".new", tokenfile.TokenPair{Refresh: refresh, Access: access}.Bytes(), 0o600)
				disk.Rename(w.path+".new", w.path)
				w.reconcile()
			}
		}
		disk.Chmod(w.path, 0o644)
		w.reconcile()
		if readings != 2 || w.mustGet() != access {
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
		failed := Failed{failure: *loginEnded("the login has ended")}
		failed.about = new("an earlier login's refresh token")
		w.apply(failed)
		if s := w.Snapshot().Status(); s.State != protocol.StateLoggedIn || s.LastError != "" {
			w.Errorf("the state is %s: %s", s.State, s.LastError)
		}
		w.pass(61 * time.Minute)
		w.wantRequests(2, "it is refreshed at half of its life")
	})
}

// R4, R9: a disk that takes no entry for an hour: nothing is sent, the token is
// served, and the first minute after it refreshes.
func TestR4AnHourWithoutAnEntry(t *testing.T) {
	manyDays(t)
	inBubble(t, idp.Config{Lifetime: 4 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		old := w.inFile()
		unblock := blockEntry(w, old.Refresh)
		w.pass(3 * time.Hour) // due for an hour
		w.wantRequests(1, "no entry, no request")
		if w.mustGet() != old.Access {
			w.Error("another token is served")
		}
		unblock()
		w.pass(time.Minute + time.Second)
		w.wantRequests(2, "the disk is back")
		w.wantAlive()
	})
}
