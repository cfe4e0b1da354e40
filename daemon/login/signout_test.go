package login

import (
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
)

func (w *world) signsOut(local bool) protocol.EraseAnswer {
	w.Helper()
	done, err := w.logout(local, true)
	if err != nil {
		w.Fatalf("signOut: %v\n%s", err, w.log)
	}
	return done
}

// What is told of a logout is what was done.
func TestSignOutSaysWhetherItRevoked(t *testing.T) {
	for _, c := range []struct {
		name                   string
		local, none, wantAlive bool
	}{
		{name: "revoked"},
		{name: "local", local: true, wantAlive: true},
		{name: "the issuer cannot revoke", none: true, wantAlive: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
				w.noRevocation = c.none
				w.signIn("ann")
				w.start()
				w.mustGet()
				refresh := w.inFile().Refresh
				if done := w.signsOut(c.local); done.Revoked == c.wantAlive || w.idp.Alive(refresh) != c.wantAlive {
					t.Errorf("it says %+v, and the login is alive: %v", done, w.idp.Alive(refresh))
				}
				if _, err := os.Stat(w.path); err == nil {
					t.Error("the file is still there")
				}
			})
		})
	}
}

// `logout --local` leaves the issuer out: its endpoints too.
func TestLocalSignOutAsksNobody(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.net.Set(nil, true)
		w.open()
		before := w.net.Dialed()
		begun := time.Now()
		w.signsOut(true)
		if took := time.Since(begun); took > time.Second || w.net.Dialed() > before {
			t.Errorf("it took %s and dialled %d times", took, w.net.Dialed()-before)
		}
	})
}

// F7: two daemons share the home. The one that cannot hear the issuer when the file goes
// keeps the login in memory, and by the ledger it knows what it was when it can: a logout,
// be the login alive at the issuer, and not something to be put back.
func TestSignOutIsNotUndoneByAnotherDaemon_F7(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.mustGet()
		first, end := w.another()
		w.mustGet()
		w.net.Set(testkit.ErrNetDown, false)
		if _, err := first.logout(true, true); err != nil {
			t.Fatal(err)
		}
		end()
		w.reconcile()
		w.settle()
		w.wantCode(protocol.CodeUnavailable)
		w.net.Set(nil, false)
		w.pass(5 * time.Minute)
		w.wantCode(protocol.CodeNotFound)
		if _, err := os.Stat(w.path); err == nil {
			t.Error("the login is back")
		}
	})
}

// An answer that was never put in place is the living login where the file is
// empty or gone (R4): a logout revokes that.
func TestSignOutRevokesWhatIsSealed(t *testing.T) {
	for name, leave := range map[string]func(path string) error{
		"empty": func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"gone":  os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
				parent := w.signIn("ann")
				sealed, access, _ := w.idp.Login("ann")
				p, err := journal.Begin(w.path, parent)
				if err != nil {
					t.Fatal(err)
				}
				if err := p.Record(tokenfile.TokenPair{Refresh: sealed, Access: access}); err != nil {
					t.Fatal(err)
				}
				p.Keep() // as kill -9 does
				if err := leave(w.path); err != nil {
					t.Fatal(err)
				}
				w.open()
				if done := w.signsOut(false); !done.Revoked || w.idp.Alive(sealed) {
					t.Errorf("%+v; the sealed login is alive: %v", done, w.idp.Alive(sealed))
				}
				w.wantNoEntries()
				if _, err := os.Stat(w.path); err == nil {
					t.Error("the file is still there")
				}
			})
		})
	}
}

// The next login may be somebody else's: that the team could not be unset is
// said, and not only to the log.
func TestSignOutSaysThatTheTeamStays(t *testing.T) {
	for name, config := range map[string]string{
		"inline": "__internal__.team = 'acme'\n",
		"broken": "[__internal__]\nteam = 'acme\n",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Teams: acme}, func(w *world) {
				if err := os.WriteFile(filepath.Join(w.home, "config.toml"), []byte(config), 0o600); err != nil {
					t.Fatal(err)
				}
				w.signIn("ann")
				w.start()
				refresh := w.inFile().Refresh
				_, err := w.logout(false, true)
				if err == nil || !strings.Contains(err.Error(), "logged out, but the team could not be unset") {
					t.Errorf("signOut: %v", err)
				}
				if w.idp.Alive(refresh) {
					t.Error("and the login was not revoked")
				}
			})
		})
	}
}

// F5: another daemon of the home, which keeps the login in memory since it cannot hear the issuer,
// takes no old copy for its own once that was logged out of.
func TestOldCopyAfterASignOutElsewhere_F5(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.mustGet()
		first, end := w.another()
		w.mustGet()
		copied := w.inFile()
		sent := w.idp.Stats().TokenRequests
		w.net.Set(testkit.ErrNetDown, false)
		if _, err := first.logout(true, true); err != nil {
			t.Fatal(err)
		}
		end()
		w.reconcile()
		w.settle()
		w.wantCode(protocol.CodeUnavailable)
		w.write(copied.Refresh, copied.Access)
		w.pass(2 * time.Minute)
		w.wantCode(protocol.CodeLoginRequired)
		w.net.Set(nil, false)
		w.pass(3 * time.Hour)
		w.wantCode(protocol.CodeLoginRequired)
		w.wantRequests(sent, "it was logged out of")
	})
}
