//go:build linux || darwin

package login

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

// ends asks the owner to end, and says how long all its work took from then on.
func (w *world) ends() time.Duration {
	begun := time.Now()
	w.stop()
	w.work.Wait()
	return time.Since(begun)
}

// S5: whatever a refresh waits for when the end begins, it is over before 20 s, and a
// token that was sent is not lost.
func TestRefreshEndsInTime_S5(t *testing.T) {
	for _, s := range stages {
		t.Run(s.name, func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Overlap: time.Hour}, func(w *world) {
				arrived, release := s.hold(w)
				w.signIn("ann")
				w.start()
				<-arrived
				// Nobody lets it go on.
				if took := w.ends(); took > 19*time.Second {
					t.Errorf("it took %v", took)
				} else if !s.asked && took > 2*time.Second {
					t.Errorf("it took %v, and there was nothing to lose", took)
				}
				if s.asked {
					if p := w.inFile(); p.Access == "" {
						t.Error("the token that was sent has no successor in the file")
					}
				}
				w.wantAlive()
				release()
			})
		})
	}
}

// S5: the longest that there can be: the lock was got in the last moment, and the issuer
// lets everything take its time.
func TestLongestEnd_S5(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Overlap: time.Hour}, func(w *world) {
		h, err := tokenfile.Acquire(context.Background(), w.home)
		if err != nil {
			t.Fatal(err)
		}
		first, second := idp.NewHold(), idp.NewHold()
		w.idp.Inject(first.After(), second.After())
		w.signIn("ann")
		w.start()
		time.AfterFunc(sideEnd-100*time.Millisecond, h.Release)
		time.AfterFunc(12*time.Second, func() { close(second.Release) })
		if took := w.ends(); took > 19*time.Second {
			t.Errorf("it took %v", took)
		}
		if p := w.inFile(); p.Access == "" {
			t.Error("the replay's answer is lost")
		}
		w.wantAlive()
		close(first.Release)
	})
}

// S5: what spends nothing does not hold up the end, and nothing new begins.
func TestSideRequestsEndAtOnce_S5(t *testing.T) {
	for name, begin := range map[string]func(w *world){
		"discovery": func(w *world) { w.signIn("ann") },
		"the question for a team": func(w *world) {
			refresh, access, _ := w.idp.Login("ann")
			w.write(refresh, access)
			if err := os.WriteFile(filepath.Join(w.home, "config.toml"), []byte("[__internal__]\nteam = \"acme\"\n"), 0o600); err != nil {
				w.Fatal(err)
			}
		},
		"the probe after a file has vanished": func(w *world) {
			refresh, access, _ := w.idp.Login("ann")
			w.write(refresh, access)
			w.reconcile()
			os.Remove(w.path)
			w.reconcile()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
				w.net.Set(nil, true)
				w.open()
				begin(w)
				w.run()
				if w.net.Dialed() == 0 {
					t.Fatal("nothing was asked")
				}
				if took := w.ends(); took > 2*time.Second {
					t.Errorf("it took %v", took)
				}
				w.mu.Lock()
				if start(w.Manager, "") != nil {
					t.Error("a refresh began after the end")
				}
				w.mu.Unlock()
				login := protocol.Login{ServerURL: protocol.DefaultServer, Username: protocol.TokenUsername, Secret: "r"}
				if err := w.Store(login, Client{}); protocol.AsError(err).Code != protocol.CodeUnavailable {
					t.Errorf("store: %v", err)
				}
				w.wantRequests(0, "at the end")
			})
		})
	}
}
