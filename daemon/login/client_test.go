package login

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// deviceLogin is a `falcred login` as the issuer's one client.
func (w *world) deviceLogin() {
	w.Helper()
	d, err := w.neighbour().Authorize(w.Context(), issuer.FalScopes, "an-audience", "")
	if err != nil {
		w.Fatal(err)
	}
	granted, err := d.Wait(w.Context(), func(string) {})
	if err != nil {
		w.Fatal(err)
	}
	if err := Keep(w.Context(), w.config(), granted, nil); err != nil {
		w.Fatal(err)
	}
}

// R13: a login is refreshed and revoked as the client that it was made with, whichever is
// named since: the home knows, through rotations and restarts, and an access token that says.
func TestALoginKeepsItsClient_R13(t *testing.T) {
	for name, c := range map[string]struct {
		opaque bool
		login  func(w *world)
		lost   bool // nobody knows the client
	}{
		"falcred login":           {true, func(w *world) { w.deviceLogin() }, false},
		"another program's":       {false, func(w *world) { refresh, access, _ := w.idp.Login("ann"); w.write(refresh, access) }, false},
		"another program's, bare": {true, func(w *world) { w.signIn("ann") }, true},
		"refreshed before": {true, func(w *world) {
			w.signIn("ann")
			w.start()
			w.pass(time.Minute)
			w.kill()
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, idp.Config{Opaque: c.opaque, AutoApprove: true, Interval: time.Second}, func(w *world) {
				c.login(w)
				if w.clientID = "another"; c.lost {
					w.start()
					w.pass(time.Minute)
					if w.idp.Stats().Refreshes != 0 {
						t.Error("it was refreshed as a client that nobody has named")
					}
					return
				}
				for range 2 {
					was := w.inFile().Refresh
					w.start()
					w.refresh(w.inFile().Access)
					if w.inFile().Refresh == was || !w.idp.Alive(w.inFile().Refresh) {
						t.Fatalf("it was not refreshed: %v\n%s", w.state().Problem, w.log)
					}
					w.kill()
				}
				if l, _ := journal.Load(w.home); l.ClientID != "test-client" {
					t.Errorf("the home has %+v", l)
				}
				refresh := w.inFile().Refresh
				if done, err := Logout(w.config(), false); err != nil || !done.Revoked || w.idp.Alive(refresh) {
					t.Errorf("logout: %+v, %v; alive is %v", done, err, w.idp.Alive(refresh))
				}
			})
		})
	}
}

// R4, R13: an answer that a kill has left before falcred.json named it was for the client that
// asked for it, though nothing in it says so.
func TestAnAnswerLeftIsItsClients_R13(t *testing.T) {
	inBubble(t, idp.Config{Opaque: true, AutoApprove: true, Interval: time.Second}, func(w *world) {
		w.deviceLogin()
		sent := w.inFile().Refresh
		w.leavesAnswer(sent)
		w.clientID = "another"
		w.start()
		w.pass(time.Minute)
		l, err := journal.Load(w.home)
		if err != nil || l.ClientID != "test-client" || !l.IsTip(w.inFile().Refresh) {
			t.Errorf("the home has %+v, %v\n%s", l, err, w.log)
		}
		w.wantAlive()
	})
}

// R13: a daemon that runs as it was started for another client hears of a login's own.
func TestARunningDaemonHearsOfTheClient_R13(t *testing.T) {
	inBubble(t, idp.Config{Opaque: true, AutoApprove: true, Interval: time.Second}, func(w *world) {
		w.clientID = "another"
		w.start()
		w.deviceLogin()
		was := w.inFile().Refresh
		w.pass(time.Minute) // it looks at the file
		if w.refresh(w.Snapshot().State.Tokens.Access); w.inFile().Refresh == was {
			t.Errorf("it was not refreshed: %+v\n%s", w.state().Problem, w.log)
		}
		w.wantAlive()
	})
}

// R13: what `falcred login` has asked for is in the home for the next one, and what an
// earlier version leaves of falcred.json is enough.
func TestTheHomeKnowsWhatWasAskedFor_R13(t *testing.T) {
	inBubble(t, idp.Config{AutoApprove: true, Interval: time.Second}, func(w *world) {
		w.deviceLogin()
		l, err := journal.Load(w.home)
		want := journal.Asked{ClientID: "test-client", Audience: "an-audience", Scopes: issuer.FalScopes}
		if err != nil || l.Asked != want || l.ClientID != "test-client" {
			t.Errorf("%+v, %v", l, err)
		}
		w.start()
		w.refresh(w.inFile().Access)
		w.kill()
		if l, err = journal.Load(w.home); err != nil || l.Asked != want || l.ClientID != "test-client" || !l.IsTip(w.inFile().Refresh) {
			t.Errorf("after a rotation: %+v, %v", l, err)
		}
		l.Asked, l.ClientID = journal.Asked{}, "" // as an earlier version writes it
		if err := l.Save(w.home); err != nil {
			t.Fatal(err)
		}
		w.clientID = "another"
		w.start()
		was := w.inFile().Refresh
		if w.refresh(w.inFile().Access); w.inFile().Refresh == was {
			t.Errorf("the access token's azp is not heeded\n%s", w.log)
		}
	})
}

// R13: some issuers answer the revocation by another client as if it were done (RFC 7009
// §2.1 leaves it to them): it is never asked for by another.
func TestRevokedByItsOwnClient_R13(t *testing.T) {
	inBubble(t, idp.Config{Opaque: true, AutoApprove: true, Interval: time.Second}, func(w *world) {
		w.front = func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/revoke") || r.FormValue("client_id") == "test-client" {
				return false
			}
			rw.WriteHeader(http.StatusOK)
			return true
		}
		w.deviceLogin()
		w.clientID = "another"
		refresh := w.inFile().Refresh
		if done, err := Logout(w.config(), false); err != nil || !done.Revoked || w.idp.Alive(refresh) {
			t.Errorf("%+v, %v; alive is %v", done, err, w.idp.Alive(refresh))
		}
	})
}

// R13: a store is proved, and a login that is not kept is revoked, as the client that is
// named; a login's own stays with it through a fallback.
func TestClientOf_R13(t *testing.T) {
	inBubble(t, idp.Config{}, func(w *world) {
		_, access, _ := w.idp.Login("ann")
		w.clientID = "named"
		w.open()
		w.apply(Followed{journal.Ledger{}.WithTip(tokenfile.TokenPair{Refresh: "tip"}, "ann").MadeBy("tip", "recorded")})
		for name, c := range map[string]struct {
			p, known tokenfile.TokenPair
			want     string
		}{
			"the newest":             {tokenfile.TokenPair{Refresh: "tip"}, tokenfile.TokenPair{}, "recorded"},
			"the newest, as it says": {tokenfile.TokenPair{Refresh: "tip", Access: access}, tokenfile.TokenPair{}, "recorded"},
			"another":                {tokenfile.TokenPair{Refresh: "r"}, tokenfile.TokenPair{}, "named"},
			"another, as it says":    {tokenfile.TokenPair{Refresh: "r", Access: access}, tokenfile.TokenPair{}, "test-client"},
			"the file's":             {tokenfile.TokenPair{Refresh: "r"}, tokenfile.TokenPair{Refresh: "r", Access: access}, "test-client"},
			"not the file's":         {tokenfile.TokenPair{Refresh: "r"}, tokenfile.TokenPair{Refresh: "s", Access: access}, "named"},
		} {
			if got := clientOf(w.Manager, c.p, c.known); got != c.want {
				t.Errorf("%s: %q, want %q", name, got, c.want)
			}
		}
	})
}
