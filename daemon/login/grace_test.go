package login

import (
	"os"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// justNow writes a refresh token alone, by the bubble's clock, and has it noticed.
func (w *world) justNow(refresh string, age time.Duration) {
	w.Helper()
	w.write(refresh)
	at := time.Now().Add(-age)
	if err := os.Chtimes(w.path, at, at); err != nil {
		w.Fatal(err)
	}
	if w.Manager != nil {
		w.reconcile()
		w.settle()
	}
}

// asking has so many clients ask, and returns where their answers come.
func (w *world) asking(n int) chan string {
	answers := make(chan string, n)
	for range n {
		go func() {
			c, err := w.get()
			if err != nil {
				w.Error(err)
			}
			answers <- string(c.Secret)
		}()
	}
	w.settle()
	return answers
}

// F3: who has just written line 1 refreshes it himself. He is not overtaken, and
// clients wait for what he writes.
func TestF3ALoginInTheMaking(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.start()
		refresh, _, _ := w.idp.Login("ann")
		w.justNow(refresh, 0)
		answers := w.asking(3)
		w.pass(loginGrace / 2)
		w.wantRequests(0, "its writer is at work")
		next, access, _ := w.idp.Login("ann") // as if it had come of that
		w.write(next, access)
		w.reconcile()
		for range cap(answers) {
			if got := <-answers; got != access {
				t.Errorf("a client was given %q", got)
			}
		}
		w.pass(time.Minute)
		w.wantRequests(0, "its writer has refreshed it")
	})
}

// F3: a writer who does nothing more is not waited for long, and one who has had
// his time not at all, nor is falcred login, whose tokens stand in the ledger.
func TestF3ALoginThatWasMade(t *testing.T) {
	for _, row := range []struct {
		what  string
		age   time.Duration
		noted bool
		wait  time.Duration
	}{
		{what: "just written", wait: loginGrace},
		{what: "written a moment ago", age: loginGrace / 4, wait: loginGrace * 3 / 4},
		{what: "written long ago", age: loginGrace},
		{what: "just written, by falcred login", noted: true},
		{what: "written by a clock that is ahead", age: -time.Hour},
	} {
		t.Run(row.what, func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
				refresh, _, _ := w.idp.Login("ann")
				if row.noted {
					if err := (journal.Ledger{Issuer: testIssuer, Tip: tokenfile.Fingerprint(refresh)}).Save(w.home); err != nil {
						t.Fatal(err)
					}
				}
				w.justNow(refresh, row.age)
				begun := time.Now()
				w.start()
				answers := w.asking(3)
				for range cap(answers) {
					if <-answers == "" {
						t.Error("a client was given nothing")
					}
				}
				if took := elapsed(begun); took != row.wait {
					t.Errorf("it took %v, want %v", took, row.wait)
				}
				w.wantRequests(1, "one refresh for all")
				w.wantAlive()
			})
		})
	}
}

// F3: the same for one that is written while a refresh waits for the lock.
func TestF3ALoginWhileARefreshWaits(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		old, _, _ := w.idp.Login("ann")
		w.write(old, w.idp.Mint("ann", time.Now().Add(-3*time.Hour), 2*time.Hour))
		theirs, err := tokenfile.Acquire(t.Context(), w.home)
		if err != nil {
			t.Fatal(err)
		}
		w.start() // its refresh is due
		refresh, _, _ := w.idp.Login("ann")
		w.write(refresh)
		if err := os.Chtimes(w.path, time.Now(), time.Now()); err != nil {
			t.Fatal(err)
		}
		theirs.Release()
		w.pass(loginGrace / 2)
		w.wantRequests(0, "its writer is at work")
		next, access, _ := w.idp.Login("ann")
		w.write(next, access)
		w.pass(2 * loginGrace) // nothing tells but the reading at its end
		w.wantRequests(0, "its writer has refreshed it")
		if w.mustGet() != access {
			t.Error("it is not served")
		}
	})
}

// R4: what falcred has begun with itself is settled at once.
func TestR4NoGraceForOurOwn(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		refresh, _, _ := w.idp.Login("ann")
		w.justNow(refresh, 0)
		entry, err := journal.Begin(w.path, refresh)
		if err != nil {
			t.Fatal(err)
		}
		entry.Keep()
		w.start()
		w.wantRequests(1, "an entry was left")
		w.wantAlive()
	})
}

// F3: the same for one that is written while the one before it is refused.
func TestF3ALoginWhileARefreshIsRefused(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		old, _, _ := w.idp.Login("ann")
		w.idp.RevokeFamily(old)
		w.write(old, w.ranOut("ann"))
		hold := idp.NewHold()
		w.idp.Inject(hold.Before())
		w.start()
		<-hold.Arrived
		refresh, _, _ := w.idp.Login("ann")
		w.write(refresh)
		if err := os.Chtimes(w.path, time.Now(), time.Now()); err != nil {
			t.Fatal(err)
		}
		close(hold.Release)
		w.pass(loginGrace / 2)
		w.wantRequests(1, "its writer is at work")
		w.pass(loginGrace)
		w.wantRequests(2, "he has had his time")
		w.wantAlive()
	})
}
