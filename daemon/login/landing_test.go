package login

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

// stage is a moment of a refresh at which it can be held.
type stage struct {
	name string
	// hold prepares w so that a refresh stops there: arrived says that it has,
	// release lets it go on.
	hold func(w *world) (arrived <-chan struct{}, release func())
	// asked: the issuer has the request already, and its answer is to come.
	asked bool
}

var stages = []stage{
	{name: "waiting for the lock", hold: func(w *world) (<-chan struct{}, func()) {
		h, err := tokenfile.Acquire(context.Background(), w.home)
		if err != nil {
			w.Fatal(err)
		}
		arrived := make(chan struct{})
		close(arrived)
		return arrived, h.Release
	}},
	{name: "before the issuer's commit", asked: true, hold: func(w *world) (<-chan struct{}, func()) {
		hold := idp.NewHold()
		w.idp.Inject(hold.Before())
		return hold.Arrived, func() { close(hold.Release) }
	}},
	{name: "after the issuer's commit", asked: true, hold: func(w *world) (<-chan struct{}, func()) {
		hold := idp.NewHold()
		w.idp.Inject(hold.After())
		return hold.Arrived, func() { close(hold.Release) }
	}},
	{name: "saved, before its verification", hold: func(w *world) (<-chan struct{}, func()) {
		w.keys = newGate()
		return w.keys.arrived, func() { close(w.keys.release) }
	}},
}

// landing holds one refresh at each stage, does something to the file, lets
// the refresh end, and looks. Whatever happens, no token is sent twice (F5).
func landing(t *testing.T, during, after func(w *world, s stage, spent string)) {
	for _, s := range stages {
		t.Run(s.name, func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
				arrived, release := s.hold(w)
				spent := w.signIn("ann")
				w.start()
				<-arrived
				during(w, s, spent)
				w.reconcile()
				w.settle()
				release()
				w.pass(10 * time.Second)
				after(w, s, spent)
				seen := map[string]bool{}
				for _, r := range w.idp.Requests() {
					if seen[r.RefreshHash] {
						t.Error("a spent token was sent again")
					}
					seen[r.RefreshHash] = true
				}
			})
		})
	}
}

// F5: deleted meanwhile is a logout: what comes is revoked and forgotten.
func TestF5LogoutDuringARefresh(t *testing.T) {
	landing(t, func(w *world, _ stage, _ string) { os.Remove(w.path) }, func(w *world, s stage, _ string) {
		w.wantCode(protocol.CodeNotFound)
		if _, err := os.Stat(w.path); err == nil {
			w.Error("a logout was undone")
		}
		if n := w.idp.Stats().Revocations; s.asked && n != 1 {
			w.Errorf("%d revocations of what came after the logout, want 1", n)
		}
		w.wantNoEntries()
	})
}

// F5: another login that lands meanwhile wins.
func TestF5LoginDuringARefresh(t *testing.T) {
	var bob tokenfile.TokenPair
	landing(t, func(w *world, _ stage, _ string) {
		bob.Refresh, bob.Access, _ = w.idp.Login("bob")
		w.write(bob.Refresh, bob.Access)
	}, func(w *world, _ stage, _ string) {
		if w.mustGet() != bob.Access || w.inFile() != bob {
			w.Error("the new login did not win")
		}
		w.wantAlive()
		w.wantNoEntries()
	})
}

// F5: a neighbour that refreshed a login of its own and wrote it back.
func TestF5ForeignRefreshDuringARefresh(t *testing.T) {
	landing(t, func(w *world, _ stage, _ string) {
		refresh, access, _ := w.idp.Login("ann")
		w.write(refresh, access)
	}, func(w *world, _ stage, _ string) {
		if w.mustGet() != w.inFile().Access {
			w.Error("the file and the answers differ")
		}
		w.wantAlive()
	})
}

// F5: a late write of the token that is being spent must not stay in the file:
// an SDK would replay it.
func TestF5LateWriteOfTheSpentToken(t *testing.T) {
	landing(t, func(w *world, _ stage, spent string) { w.write(spent, "x.y.z") }, func(w *world, _ stage, spent string) {
		w.pass(2 * time.Minute)
		if w.inFile().Refresh == spent {
			w.Error("the spent token stayed in the file")
		}
		w.mustGet()
		w.wantAlive()
	})
}

// F3, F5: a writer that dies meanwhile, and leaves the file empty.
func TestF5EmptiedDuringARefresh(t *testing.T) {
	landing(t, func(w *world, _ stage, _ string) { w.write("") }, func(w *world, s stage, _ string) {
		if s.name == "waiting for the lock" {
			return // nothing had been read before: the login is lost to its writer
		}
		w.pass(writerDied)
		w.mustGet()
		w.wantAlive()
	})
}

// F7: the file vanishes at each stage while the issuer cannot be reached. The
// serving stops; when the issuer answers again, one refresh decides.
func TestF7VanishedDuringARefresh(t *testing.T) {
	landing(t, func(w *world, _ stage, _ string) {
		w.net.Set(testkit.ErrNetDown, false)
		os.Remove(w.path)
	}, func(w *world, s stage, _ string) {
		if s.asked { // its answer came: the issuer is reachable, so it was a logout (F5)
			w.wantCode(protocol.CodeNotFound)
			return
		}
		if _, err := w.get(); err == nil {
			w.Error("a vanished login is served")
		}
		w.net.Set(nil, false)
		w.pass(3 * time.Minute)
		w.mustGet()
		w.wantAlive()
		w.wantNoEntries()
	})
}

// R2: a login that is adopted while the rotation of the one before is still being judged is
// refreshed as soon as that is over, and not at the next minute.
func TestDueDuringARotation_R2(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.keys = newGate()
		w.signIn("ann")
		w.start()
		<-w.keys.arrived // the answer is in the file, and its ID token is being verified
		refresh, _, _ := w.idp.Login("bob")
		w.write(refresh, w.ranOut("bob"))
		w.reconcile()
		w.pass(time.Millisecond)
		w.wantRequests(1, "one at a time")
		close(w.keys.release)
		w.pass(time.Second)
		w.wantRequests(2, "bob's was due")
		w.wantAlive()
	})
}
