package login

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/disk"
)

// brings is a store by somebody.
func (w *world) brings(refresh string, by Client) error {
	return w.Store(protocol.Login{ServerURL: protocol.DefaultServer, Username: protocol.TokenUsername, Secret: protocol.Secret(refresh)}, by)
}

func (w *world) erases(local bool) error {
	_, err := w.Erase(protocol.Query{ServerURL: protocol.DefaultServer, Local: local})
	return err
}

// portalocker tries the lock as portalocker does, every 250 ms, until stop, and returns the
// longest that it had to wait.
func (w *world) portalocker(stop *atomic.Bool) (longest chan time.Duration) {
	longest = make(chan time.Duration, 1)
	go func() {
		var most time.Duration
		for begun := time.Now(); !stop.Load(); time.Sleep(250 * time.Millisecond) {
			lock, err := fsx.TryLockPath(filepath.Join(w.home, tokenfile.LockName))
			if err != nil {
				w.Error(err)
			}
			most = max(most, time.Since(begun))
			if lock != nil {
				lock.Close()
				begun = time.Now()
			}
		}
		longest <- most
	}()
	return longest
}

// §4: garbage is stored without a pause, on several connections of one process and with a
// new connection each time. The issuer is asked a few times a minute, neighbours get the
// lock, a refresh and a right token their turn, and a logout goes first.
func TestSection4RefusedStoresArePaced(t *testing.T) {
	for name, connections := range map[string]int{"one connection": 1, "many": 40} {
		for _, fresh := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, fresh %v", name, fresh), func(t *testing.T) {
				inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
					w.signIn("ann")
					w.start()
					before := w.idp.Stats().TokenRequests
					slow := idp.DelayBefore(3 * time.Second)
					w.idp.SetFault(&slow)
					var stop atomic.Bool
					for n := range connections {
						w.work.Go(func() {
							by := Client{PID: 7}
							for i := 0; !stop.Load(); i++ {
								if w.brings(fmt.Sprint("garbage-", n, "-", i), by) != nil && !fresh {
									by.Refused++
								}
							}
						})
					}
					waited := w.portalocker(&stop)
					w.pass(time.Minute)
					if n := w.idp.Stats().TokenRequests - before; n < 4 || n > 8 {
						t.Errorf("the issuer was asked %d times in a minute", n)
					}
					if w.Paced() == "" {
						t.Error("the owner is not told")
					}
					begun := time.Now()
					w.refresh(w.state().Tokens.Access)
					if took := time.Since(begun); took > 8*time.Second {
						t.Errorf("a refresh waited %v", took)
					}
					right, _, _ := w.idp.Login("ann")
					begun = time.Now()
					if err := w.brings(right, Client{PID: 8}); err != nil {
						t.Errorf("a right token is refused: %v", err)
					}
					if took := time.Since(begun); took > 25*time.Second {
						t.Errorf("a right token waited %v", took)
					}
					begun = time.Now()
					if err := w.erases(false); err != nil {
						t.Errorf("erase: %v", err)
					}
					if took := time.Since(begun); took > 8*time.Second {
						t.Errorf("a logout waited %v", took)
					}
					w.idp.SetFault(nil)
					stop.Store(true)
					if most := <-waited; most > 10*time.Second {
						t.Errorf("a neighbour waited %v for the lock", most)
					}
				})
			})
		}
	}
}

// §4: between two holds of the lock that clients brought about, and between theirs and a
// refresh's, a neighbour gets it.
func TestSection4NeighboursGetTheLock(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.mustGet()
		slow := idp.DelayBefore(3 * time.Second)
		w.idp.SetFault(&slow)
		var stop atomic.Bool
		waited := w.portalocker(&stop)
		for range 10 {
			right, _, _ := w.idp.Login("ann")
			testkit.Must(t, w.brings(right, Client{}))
			w.refresh(w.state().Tokens.Access)
		}
		stop.Store(true)
		if most := <-waited; most > 5*time.Second {
			t.Errorf("a neighbour waited %v for the lock", most)
		}
	})
}

// §4: what needs no answer of the issuer asks for none, and takes no lock, however often:
// the login's own token, a used one, an erase where there is no login.
func TestSection4NoLockForNothing(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		used := w.signIn("ann")
		w.start()
		w.settle()
		before := w.idp.Stats().TokenRequests
		lock, err := fsx.TryLockPath(filepath.Join(w.home, tokenfile.LockName))
		if err != nil || lock == nil {
			t.Fatal(err)
		}
		begun := time.Now()
		for range 100 {
			if err := w.brings(w.inFile().Refresh, Client{}); err != nil {
				t.Fatal(err)
			}
			if err := w.brings(used, Client{}); protocol.AsError(err).Code != protocol.CodeBadRequest {
				t.Fatal(err)
			}
		}
		lock.Close()
		testkit.Must(t, w.erases(true))
		lock, _ = fsx.TryLockPath(filepath.Join(w.home, tokenfile.LockName))
		for range 100 {
			if err := w.erases(false); err != protocol.ErrNotFound {
				t.Fatal(err)
			}
		}
		lock.Close()
		if took := time.Since(begun); took > time.Second {
			t.Errorf("it took %v", took)
		}
		w.wantRequests(before, "nothing is to be asked")
	})
}

// §4: erases that fail are paced, and one that asks no issuer does not wait for them.
func TestSection4FailedErasesArePaced(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.mustGet()
		dead := idp.Status(500)
		w.idp.SetFault(&dead)
		w.net.Set(nil, true)
		dialed := w.net.Dialed()
		var stop atomic.Bool
		w.work.Go(func() {
			for !stop.Load() {
				w.erases(false)
			}
		})
		w.pass(time.Minute)
		if n := w.net.Dialed() - dialed; n > 20 {
			t.Errorf("the issuer was called %d times in a minute", n)
		}
		begun := time.Now()
		testkit.Must(t, w.erases(true))
		if took := time.Since(begun); took > 15*time.Second { // one that is under way is not cut short
			t.Errorf("it waited %v", took)
		}
		stop.Store(true)
	})
}

// §4: the account of a login that was erased over the wire is not changed by a store, by
// whatever daemon. A login in the file lifts that; the same account is taken.
func TestSection4EraseThenStore(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		again := func() {
			w.kill()
			w.start()
		}
		bobIsDenied := func(when string) {
			w.Helper()
			bob, _, _ := w.idp.Login("bob")
			if err := w.brings(bob, Client{}); protocol.AsError(err) == nil || protocol.AsError(err).Code != protocol.CodeDenied {
				t.Errorf("%s: bob's login is stored: %v", when, err)
			}
			w.wantCode(protocol.CodeNotFound)
			w.pass(time.Minute)
		}
		w.signIn("ann")
		w.start()
		w.mustGet()
		testkit.Must(t, w.erases(true))
		bobIsDenied("after an erase")
		again()
		bobIsDenied("after a restart")
		if err := w.erases(true); err != protocol.ErrNotFound {
			t.Error(err)
		}
		bobIsDenied("after an erase of nothing")

		ann, _, _ := w.idp.Login("ann")
		testkit.Must(t, w.brings(ann, Client{}))
		w.wantAlive()
		testkit.Must(t, w.erases(false))
		bobIsDenied("after the same account's store")

		carl, access, _ := w.idp.Login("carl") // by `fal auth login`, and `fal auth logout`
		w.write(carl, access)
		w.reconcile()
		w.mustGet()
		w.settle()
		disk.Remove(w.path)
		w.reconcile()
		w.pass(time.Minute)
		again()
		bob, _, _ := w.idp.Login("bob")
		if err := w.brings(bob, Client{}); err != nil {
			t.Errorf("after a login in the file: %v", err)
		}
		w.wantAlive()
	})
}

// §4: of two daemons of a home each knows what was erased over the other's socket.
func TestSection4ErasedElsewhere(t *testing.T) {
	a, b := journal.Erased{Subject: "ann", At: 5}, journal.Erased{At: 6}
	for name, l := range map[string]journal.Ledger{
		"learnt":     journal.Ledger{Erased: a}.Learn(journal.Ledger{Erased: b}),
		"known":      journal.Ledger{Erased: b}.Learn(journal.Ledger{Erased: a}),
		"merged":     journal.Ledger{Erased: a}.Merge(journal.Ledger{Erased: b}),
		"clock back": journal.Ledger{Erased: a}.Erase(journal.Erased{At: 1}),
	} {
		if l.Erased != b {
			t.Errorf("%s: %v", name, l.Erased)
		}
	}
}

// §4: nor does a restart between two wishes give clients a second refresh within 5 minutes.
func TestSection4ForcedOnceWhateverRestarts(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.mustGet()
		before := w.idp.Stats().TokenRequests
		for range 5 {
			w.pass(10 * time.Second)
			w.kill()
			w.start()
			rejected := protocol.Secret(w.inFile().Access)
			w.ask(context.Background(), protocol.Query{ServerURL: protocol.DefaultServer, Rejected: rejected})
			w.ask(context.Background(), protocol.Query{ServerURL: protocol.DefaultServer, MinValid: 1 << 20})
		}
		w.wantRequests(before, "within a minute of the last refresh")
		w.pass(5 * time.Minute)
		w.ask(context.Background(), protocol.Query{ServerURL: protocol.DefaultServer, MinValid: 1 << 20})
		w.wantRequests(before+1, "later")
	})
}
