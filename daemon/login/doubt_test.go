package login

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

const doubtLifetime = 2 * time.Hour

// rotateInTime waits for the next rotation.
func (w *world) rotateInTime() {
	w.Helper()
	before := w.idp.Stats().Refreshes
	w.pass(doubtLifetime / 2)
	if n := w.idp.Stats().Refreshes - before; n != 1 {
		w.Fatalf("%d refreshes in half of a lifetime\n%s", n, w.log)
	}
}

// wantStanding checks all that a doubt shows in: what is served, the warnings,
// the note in the home, whose login it is, and that nothing was ended.
func (w *world) wantStanding(doubt bool, subject string) {
	w.Helper()
	w.settle()
	if bearer := w.mustGet(); bearer != w.inFile().Access {
		w.Errorf("what is served is not the newest token\n%s", w.log)
	}
	s := w.Snapshot().Status()
	if warns := strings.Contains(strings.Join(s.Warnings, "\n"), "unverified"); warns != doubt || s.State != protocol.StateLoggedIn || s.LastError != "" {
		w.Errorf("in doubt is %v, and status says %s, %q, %q", doubt, s.State, s.Warnings, s.LastError)
	}
	l, err := journal.Load(w.home)
	if err != nil {
		w.Fatal(err)
	}
	refresh := w.inFile().Refresh
	if l.Doubt.Of(refresh) != doubt || l.SubjectOf(refresh) != subject || len(l.Wrong) != 0 {
		w.Errorf("in doubt is %v, and falcred.json says %+v, want subject %q", doubt, l, subject)
	}
	w.wantAlive()
	if n := w.idp.Stats().Revocations; n != 0 {
		w.Errorf("%d revocations", n)
	}
	w.wantNoEntries()
}

// unverifiable keeps every key from the set until the test puts them back.
func (w *world) unverifiable() {
	answer := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte(`{"keys":[]}`)) })
	w.keySet.Store(&answer)
}

// oddKeys are some of what issuers publish beside good keys.
var oddKeys = []any{
	nil, "key", map[string]any{},
	map[string]any{"kty": "EC", "crv": "secp256k1", "use": "sig", "x": "AQAB", "y": "AQAB"},
	map[string]any{"kty": "RSA", "n": 5, "e": []any{}},
	map[string]any{"kty": "OKP", "crv": "Ed448", "x": "AQAB"},
	map[string]any{"kty": "AKP", "alg": "ML-DSA-65", "pub": "AQAB"},
	map[string]any{"kty": 7, "kid": map[string]any{"a": 1}, "x5c": "none"},
}

// R10: a living login whose issuer changes its algorithm, with odd keys
// beside the good one, is verified as before.
func TestIssuerMovesToAnotherAlgorithm_R10(t *testing.T) {
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: doubtLifetime, OddKeys: oddKeys}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.wantStanding(false, "ann")
		for _, algorithm := range []string{"ES256", "EdDSA", "PS256", "ES384"} {
			w.idp.SetConfig(func(c *idp.Config) { c.Algorithm = algorithm })
			w.rotateInTime()
			w.wantStanding(false, "ann")
		}
	})
}

// R10: the old key's name over a new key's signature: any key of the set may
// have signed.
func TestOldKeyIDOverANewKey_R10(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: doubtLifetime, OldKeyID: true, Algorithm: "ES256"}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.wantStanding(false, "ann")
		asked := w.asked.Load()
		w.idp.RotateKey()
		w.rotateInTime()
		w.wantStanding(false, "ann")
		if n := w.asked.Load() - asked; n != 1 {
			t.Errorf("the keys were fetched %d times for one verification", n)
		}
	})
}

// R10: a key set that lags 10 s behind a rotation is a doubt at once, and
// none 10 s later, without a rotation, a restart or a person.
func TestKeySetLagsBehind_R10(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{true, false} {
		inBubble(t, idp.Config{Lifetime: doubtLifetime, KeySetLag: 10 * time.Second}, func(w *world) {
			subject := ""
			if first {
				w.idp.RotateKey()
				w.signIn("ann")
				w.start()
			} else {
				subject = "ann"
				w.signIn("ann")
				w.start()
				w.wantStanding(false, "ann")
				w.pass(doubtLifetime/2 - time.Second)
				w.idp.RotateKey()
				w.pass(time.Second)
			}
			sent := w.idp.Stats().TokenRequests
			w.wantStanding(true, subject)
			w.pass(10 * time.Second)
			w.wantStanding(false, "ann")
			w.wantRequests(sent, "verified without a rotation")
		})
	}
}

// R10: an ID token in doubt is tried again after 10 s, 1 min and 10 min, then at
// each rotation, and a rotation without one tries the one that is in memory.
func TestDoubtIsTriedAgain_R10(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: doubtLifetime}, func(w *world) {
		w.unverifiable()
		w.signIn("ann")
		w.start()
		for n, wait := range []time.Duration{0, 10 * time.Second, time.Minute, 10 * time.Minute} {
			if w.pass(max(0, wait-time.Second)); wait > 0 && int(w.asked.Load()) != n {
				t.Fatalf("%d fetches a second before try %d", w.asked.Load(), n+1)
			}
			w.pass(min(wait, time.Second))
			if int(w.asked.Load()) != n+1 {
				t.Fatalf("%d fetches, want %d after %s", w.asked.Load(), n+1, wait)
			}
			w.wantStanding(true, "")
		}
		w.pass(30 * time.Minute)
		if n := w.asked.Load(); n != 4 {
			t.Fatalf("%d fetches before the next rotation, want 4", n)
		}
		w.keySet.Store(nil)
		w.idp.Inject(idp.Without("id_token"))
		w.pass(time.Hour - 30*time.Minute)
		w.wantRequests(2, "the rotation")
		w.wantStanding(false, "ann")
		w.idp.Inject(idp.Without("id_token")) // whoever can forge an answer can leave it out
		w.rotateInTime()
		w.wantStanding(false, "ann")
	})
}

// R10: in doubt nothing is learned: whose login it is stays what the chain says,
// and another account is wrong whether a key verifies it or not.
func TestNothingIsLearnedInDoubt_R10(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: doubtLifetime}, func(w *world) {
		w.unverifiable()
		w.signIn("ann")
		w.start()
		w.wantStanding(true, "")
		w.kill() // what is in memory is lost, and the ledger is not
		w.start()
		w.idp.Inject(idp.Without("id_token")) // an access token's sub is no better
		w.rotateInTime()
		w.wantStanding(true, "")
		w.rotateInTime()
		w.wantStanding(true, "")
		w.keySet.Store(nil)
		w.rotateInTime()
		w.wantStanding(false, "ann")
		w.unverifiable()
		w.idp.Inject(idp.WrongSignature())
		w.rotateInTime()
		w.wantStanding(true, "ann")
		w.kill()
		w.start()
		w.wantStanding(true, "ann")
		w.idp.Inject(idp.OtherSubject("eve"))
		w.pass(doubtLifetime / 2)
		w.wantCode(protocol.CodeLoginRequired)
	})
}

// R10: a clock that is off is a doubt, and over when it is set.
func TestSkewedClockIsADoubt_R10(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: doubtLifetime}, func(w *world) {
		skew := idp.Fault{IDClaims: func(m map[string]any) { m["iat"] = time.Now().Add(5 * time.Minute).Unix() }}
		w.idp.SetFault(&skew)
		w.signIn("ann")
		w.start()
		w.wantStanding(true, "")
		w.idp.SetFault(nil)
		w.rotateInTime()
		w.wantStanding(false, "ann")
	})
}

// R10: a wrong ID token is written down before the answer is in the token file,
// so that neither a kill nor another daemon of the home serves it; and no version has an
// access token that it could serve.
func TestWrongIsWrittenDownAtOnce_R10(t *testing.T) {
	manyDays(t)
	inBubble(t, idp.Config{Lifetime: doubtLifetime}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.wantStanding(false, "ann")
		w.kill()
		w.pass(doubtLifetime / 2)
		w.open() // a rotation without what follows it: a kill −9, or another daemon that reads
		w.keys = newGate()
		w.idp.Inject(idp.OtherSubject("eve"))
		if got, err := w.rotate(""); err != nil || got.reply == nil {
			t.Fatalf("rotate: %v, %v", got.reply, err)
		}
		l, err := journal.Load(w.home)
		if err != nil || !l.Distrusts(w.inFile().Refresh) || w.inFile().Access != "" || w.state().Fallback.Refresh != "" {
			t.Errorf("falcred.json says %+v, %v; the fallback is %q", l, err, w.state().Fallback.Refresh)
		}
		w.kill()
		w.start()
		if w.keys.taken.Load() {
			t.Error("the keys were fetched for a token that names another account")
		}
		sent := w.idp.Stats().TokenRequests
		for range 2 {
			w.wantCode(protocol.CodeLoginRequired)
			w.pass(10 * time.Hour)
			w.wantRequests(sent, "no further refresh")
			w.kill()
			w.start()
		}
		if !w.idp.Alive(w.inFile().Refresh) {
			t.Error("the refresh token is not the living one")
		}
		w.signIn("ann")
		w.keys = nil
		w.mustGet()
		w.wantAlive()
	})
}

// R10: what an earlier version called unverified comes back after the upgrade: it
// is not served before the next ID token has been judged, which is asked for at
// once; a version before opens the file of this one.
func TestEarlierVerdictIsJudgedAnew_R10(t *testing.T) {
	for what, fault := range map[string]idp.Fault{"verified": {}, "doubt": idp.WrongSignature(), "wrong": idp.WrongIssuer()} {
		inBubble(t, idp.Config{Lifetime: doubtLifetime}, func(w *world) {
			refresh, access, _ := w.idp.Login("ann")
			w.write(refresh, access)
			old := `{"Issuer":"` + testIssuer + `","Spent":null,"Tip":"` + tokenfile.Fingerprint(refresh) + `","Subject":"ann","Unverified":"` +
				tokenfile.Fingerprint(access) + `","Team":{"Name":"","ID":"","Subject":""}}`
			if err := os.WriteFile(filepath.Join(w.home, journal.LedgerName), []byte(old), 0o600); err != nil {
				t.Fatal(err)
			}
			w.idp.Inject(fault)
			w.net.Set(testkit.ErrNetDown, false)
			w.start()
			w.wantCode(protocol.CodeUnavailable)
			w.net.Set(nil, false)
			w.pass(time.Minute)
			w.wantRequests(1, "it is judged by the next ID token, asked for at once")
			if what == "wrong" {
				w.wantCode(protocol.CodeLoginRequired)
			} else {
				w.wantStanding(what == "doubt", "ann")
			}
			var earlier struct {
				Issuer, Tip, Subject, Unverified string
				Spent                            []string
			}
			data, err := os.ReadFile(filepath.Join(w.home, journal.LedgerName))
			if err == nil {
				err = json.Unmarshal(data, &earlier)
			}
			if err != nil || earlier.Issuer != testIssuer || earlier.Tip != tokenfile.Fingerprint(w.inFile().Refresh) || earlier.Subject != "ann" {
				t.Errorf("an earlier version reads %+v, %v", earlier, err)
			}
			if in := w.inFile().Access; (in == "") != (what == "wrong") || earlier.Unverified == tokenfile.Fingerprint(in) {
				t.Errorf("%s, and an earlier version serves %t and distrusts %q", what, in != "", earlier.Unverified)
			}
		})
	}
}

// R10, §4: a login in doubt is not stored over a living one, nor any over one
// whose account is in doubt; where none lives it is kept. Nothing is revoked.
func TestDoubtAndStore_R10(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: doubtLifetime}, func(w *world) {
		store := func() error {
			w.Helper()
			refresh, _, _ := w.idp.Login("ann")
			err := w.Store(protocol.Login{ServerURL: protocol.DefaultServer, Username: protocol.TokenUsername, Secret: protocol.Secret(refresh)}, Client{})
			w.settle()
			return err
		}
		refused := func(what string, err error) {
			w.Helper()
			var e *protocol.Error
			if !errors.As(err, &e) || e.Code != protocol.CodeUnavailable {
				w.Errorf("%s: store = %v, want unavailable", what, err)
			}
		}
		w.start()
		w.unverifiable()
		if err := store(); err != nil {
			w.Fatal(err)
		}
		w.wantStanding(true, "")
		refused("over one in doubt", store())
		w.keySet.Store(nil)
		w.pass(2 * time.Second)
		refused("a verified one over one in doubt", store())
		w.pass(8 * time.Second)
		w.wantStanding(false, "ann")
		w.unverifiable()
		before := w.inFile()
		w.idp.RotateKey()
		refused("one in doubt over a living one", store())
		if w.inFile() != before {
			w.Error("the living login is gone")
		}
		w.keySet.Store(nil)
		w.pass(time.Second)
		if err := store(); err != nil {
			w.Errorf("a verified one of the same account: %v", err)
		}
		w.wantStanding(false, "ann")
	})
}

// R10: `falcred login` keeps a login in doubt and says so, and learns nothing of it. A
// daemon that runs knows of it.
func TestDoubtAndLogin_R10(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: doubtLifetime}, func(w *world) {
		w.start()
		w.unverifiable()
		d, err := w.neighbour().Authorize(w.Context(), issuer.FalScopes, "", "")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.idp.Approve(d.UserCode, "ann"); err != nil {
			t.Fatal(err)
		}
		granted, err := d.Wait(w.Context(), func(string) {})
		if err != nil || !strings.Contains(granted.Doubt, "could not be verified") || granted.Subject != "" || granted.Name != "" {
			t.Fatalf("granted: %+v, %v", granted, err)
		}
		if err := Keep(w.Context(), w.config(), granted, nil); err != nil {
			t.Fatal(err)
		}
		w.reconcile()
		w.wantStanding(true, "")
		w.keySet.Store(nil)
		w.rotateInTime()
		w.wantStanding(false, "ann")
	})
}

// R10: a doubt that lasts is written down for another process, doctor: since when, through
// how many rotations, and by which key, algorithm and set, printable and bounded.
func TestALongDoubtIsWrittenDown_R10(t *testing.T) {
	manyDays(t)
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: doubtLifetime, Algorithm: "EdDSA"}, func(w *world) {
		note := func() journal.Doubted {
			w.Helper()
			l, err := journal.Load(w.home)
			if err != nil || l.Doubt != (journal.Doubted{}) && !l.Doubt.Of(w.inFile().Refresh) {
				w.Fatalf("falcred.json says %+v, %v", l, err)
			}
			return l.Doubt
		}
		w.unverifiable()
		w.signIn("ann")
		begun := time.Now()
		w.start()
		w.wantStanding(true, "")
		for n := range 23 {
			if d := note(); d.Rotations != n+1 || !d.Since.Equal(begun) {
				t.Fatalf("after %d hours: %+v", n, d)
			}
			if n == 10 {
				w.kill()
				w.start()
			}
			w.rotateInTime()
		}
		w.pass(time.Hour)
		d := note()
		if d.Rotations != 25 || !d.Since.Equal(begun) || d.Algorithm != "EdDSA" || d.Key == "" || d.Keys != testIssuer+"/.well-known/jwks.json" || d.Cause != "none of the issuer's keys verifies it" {
			t.Errorf("after a day: %+v", d)
		}
		w.idp.Inject(idp.Fault{Mutate: func(reply map[string]any) {
			parts := strings.Split(reply["id_token"].(string), ".")
			odd, _, _ := strings.Cut(testkit.JWT(map[string]any{"alg": "\x1b[2J" + strings.Repeat("x", 1<<12), "kid": "\x1b]0;é\a"}, nil, func(string) []byte { return nil }), ".")
			reply["id_token"] = odd + "." + parts[1] + "." + parts[2]
		}})
		w.rotateInTime()
		w.wantStanding(true, "")
		if text := note().Warning(); len(text) > 600 || strings.ContainsAny(text, "\x1b\a") || note().Key != "?]0;??" {
			t.Errorf("%d bytes: %q", len(text), text)
		}
		w.keySet.Store(nil)
		w.rotateInTime()
		w.wantStanding(false, "ann")
		if d := note(); d != (journal.Doubted{}) {
			t.Errorf("a doubt that is over is still written down: %+v", d)
		}
	})
}
