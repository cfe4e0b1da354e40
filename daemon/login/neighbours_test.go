//go:build (linux || darwin) && system

package login

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// These tests run beside Debian's portalocker 2.2.1, the lock of the fal SDK and CLI, as
// those use it (DESIGN §2): real processes, real files, the real clock. That the locks
// exclude each other is package tokenfile's to show.

// besideNeighbours is a world on the real clock, whose neighbours write as if there were
// no owner.
func besideNeighbours(t *testing.T, cfg idp.Config) (w *world, issuer string) {
	t.Helper()
	testkit.NeedPortalocker(t)
	server := testkit.StartIssuer(t, cfg)
	return onRealClock(t, server.Provider, server.URL, nil), server.URL
}

// wantSentOnce: falcred sends no refresh token twice (F5), whatever the
// neighbours, whose requests carry the Basic header, do.
func (w *world) wantSentOnce() (falcred, neighbours int) {
	w.Helper()
	sent := map[string]bool{}
	for _, r := range w.idp.Requests() {
		switch {
		case r.Basic:
			neighbours++
			continue
		case sent[r.RefreshHash]:
			w.Errorf("falcred sent a token twice\n%s", w.log)
		}
		sent[r.RefreshHash] = true
		falcred++
	}
	return falcred, neighbours
}

// F5 where F1 is broken: while falcred's answer is on its way a neighbour
// exits, which unlinks the lock that falcred holds, and another is let in by
// the new file and writes. What it wrote wins, and nothing is lost by it.
func TestF5LoginSurvivesABrokenLock(t *testing.T) {
	w, issuer := besideNeighbours(t, idp.Config{Overlap: time.Minute})
	second := testkit.NewNeighbour(t, w.home, issuer)
	const rounds = 20
	broken := 0
	for i := range rounds {
		first := testkit.NewNeighbour(t, w.home, issuer)
		hold := idp.NewHold()
		w.idp.Inject(hold.After())
		spent := w.expire()
		w.until("falcred holds the lock, and its token is spent", func() bool {
			select {
			case <-hold.Arrived:
				return true
			default:
			}
			w.mu.Lock()
			undone := w.rotation == nil && w.Manager.state.Tokens.Fresh(clock.Now()) && w.Manager.state.Tokens.TokenPair == w.file.Read().Pair
			w.mu.Unlock()
			if undone { // by a refresh that was still under way
				spent = w.expire()
			}
			return false
		})
		first.Want("locked", "try")
		first.Exit()
		if second.Say("try") == "held" {
			broken++
			second.Want("released", "release")
		}
		var written tokenfile.TokenPair
		if i%2 == 0 { // as fal_client: the same token, refreshed outside of the lock
			refresh, access, _ := strings.Cut(second.Say("spend", spent), " ")
			written = tokenfile.TokenPair{Refresh: refresh, Access: access}
		} else { // somebody logs in again
			written.Refresh, written.Access, _ = w.idp.Login("ann")
			second.Want("written", "put", written.Refresh, written.Access)
		}
		close(hold.Release)
		w.until("the owner goes on with what the neighbour wrote", func() bool {
			return w.servesTheFile() && w.goesOnWith(written)
		})
		// A late write of the token that falcred has used up, by one who thinks
		// that it is still good: the living one goes back, and nothing is sent.
		second.Want("written", "put", spent, written.Access)
		w.until("the living token is back", func() bool { return w.inFileOr(spent) != spent && w.servesTheFile() })
		w.wantAlive()
	}
	w.wantNoEntries()
	falcred, neighbours := w.wantSentOnce()
	t.Logf("%d rounds, %d of them with a broken lock; %d refreshes by falcred, %d by neighbours, 0 reuse detections",
		rounds, broken, falcred, neighbours)
	if broken != rounds {
		t.Errorf("the lock was broken in %d of %d rounds: the neighbours are not what they were", broken, rounds)
	}
}

// goesOnWith: the file holds p, or what came of p by a refresh of ours.
func (w *world) goesOnWith(p tokenfile.TokenPair) bool {
	now := w.inFile()
	w.mu.Lock()
	defer w.mu.Unlock()
	ledger := w.Manager.state.Ledger
	return now == p || ledger.Consumed(p.Refresh) && ledger.IsTip(now.Refresh)
}

// F5 beside neighbours that refresh for themselves whenever they find the
// token expired, all at once. An issuer that accepts the previous token for a
// while forgives them; falcred must not be the one that ends the login.
func TestF5LoginSurvivesRefreshingNeighbours(t *testing.T) {
	w, issuer := besideNeighbours(t, idp.Config{Overlap: time.Minute})
	slow := idp.DelayBefore(20 * time.Millisecond) // so that requests overlap
	w.idp.SetFault(&slow)
	clients := []*testkit.Neighbour{testkit.NewNeighbour(t, w.home, issuer), testkit.NewNeighbour(t, w.home, issuer)}
	for _, n := range clients {
		n.Want("fresh", "client") // it is up
	}
	const rounds = 20
	for i := range rounds {
		w.expire()
		var group sync.WaitGroup
		for _, n := range clients {
			group.Go(func() {
				for answer := ""; answer != "fresh"; {
					if answer = n.Say("client"); answer == "" || answer == "refused" {
						t.Errorf("round %d: a neighbour was refused", i)
						return
					}
				}
			})
		}
		group.Wait()
		w.until("the owner serves the file's token", w.servesTheFile)
		if t.Failed() {
			t.Fatal(w.log)
		}
	}
	last := w.expire()
	w.until("the last one is refreshed", func() bool { return w.inFileOr(last) != last && w.servesTheFile() })
	if n := w.idp.Stats().ReuseDetections; n != 0 {
		t.Errorf("%d reuse detections", n)
	}
	w.wantNoEntries()
	falcred, neighbours := w.wantSentOnce()
	t.Logf("%d rounds beside 2 neighbours: %d refreshes by falcred, %d by neighbours, %d of them replays that the issuer forgave; %s and %s crashes of portalocker",
		rounds, falcred, neighbours, w.idp.Stats().Replays, clients[0].Say("crashes"), clients[1].Say("crashes"))
}

// inFileOr is the file's refresh token, or other in the moment of a write.
func (w *world) inFileOr(other string) string {
	if c := w.file.Read(); c.State == tokenfile.Holds {
		return c.Pair.Refresh
	}
	return other
}
