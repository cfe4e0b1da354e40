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

const doubtLifetime = 2 * time.Hour

// rotate waits for the next refresh.
func (w *world) rotate() {
	w.Helper()
	before := w.idp.Stats().Refreshes
	w.pass(doubtLifetime / 2)
	if n := w.idp.Stats().Refreshes - before; n != 1 {
		w.Fatalf("%d refreshes in half of a lifetime\n%s", n, w.log)
	}
}

// wantStanding looks at all that a doubt shows in: what is served, the warnings,
// the note in the home, whose login it is, and that nothing was ended.
func (w *world) wantStanding(doubt bool, subject string) {
	w.Helper()
	w.settle()
	if bearer := w.mustGet(); bearer != w.inFile().access {
		w.Errorf("what is served is not the newest token\n%s", w.log)
	}
	s := w.status()
	if warns := strings.Contains(strings.Join(s.Warnings, "\n"), "unverified"); warns != doubt || s.State != protocol.StateLoggedIn || s.LastError != "" {
		w.Errorf("in doubt is %v, and status says %s, %q, %q", doubt, s.State, s.Warnings, s.LastError)
	}
	m, err := loadMemory(w.home)
	if err != nil {
		w.Fatal(err)
	}
	refresh := w.inFile().refresh
	if m.Doubt.of(refresh) != doubt || m.subjectOf(refresh) != subject || len(m.Wrong) != 0 {
		w.Errorf("in doubt is %v, and falcred.json says %+v, want subject %q", doubt, m, subject)
	}
	w.wantAlive()
	if n := w.idp.Stats().Revocations; n != 0 {
		w.Errorf("%d revocations", n)
	}
	w.wantNoPlaces()
}

// unverifiable keeps every key from the set until the test mends it.
func (w *world) unverifiable() {
	answer := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte(`{"keys":[]}`)) })
	w.keySet.Store(&answer)
}

// H1, R10: a living login whose issuer changes its algorithm, with odd keys
// beside the good one, is verified as before.
func TestIssuerMovesToAnotherAlgorithm_R10(t *testing.T) {
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: doubtLifetime, OddKeys: oddKeys()}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.wantStanding(false, "ann")
		for _, algorithm := range []string{"ES256", "EdDSA", "PS256", "ES384"} {
			w.idp.SetConfig(func(c *idp.Config) { c.Algorithm = algorithm })
			w.rotate()
			w.wantStanding(false, "ann")
		}
	})
}

// H2, R10: the old key's name over a new key's signature: any key of the set may
// have signed.
func TestOldKeyIDOverANewKey_R10(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: doubtLifetime, OldKeyID: true, Algorithm: "ES256"}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.wantStanding(false, "ann")
		asked := w.asked.Load()
		w.idp.RotateKey()
		w.rotate()
		w.wantStanding(false, "ann")
		if n := w.asked.Load() - asked; n != 1 {
			t.Errorf("the keys were fetched %d times for one verification", n)
		}
	})
}

// H2, R10: a key set that lags 10 s behind a rotation is a doubt at once, and
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
		w.rotate()
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
		w.kill() // what is in memory is lost, and the note is not
		w.start()
		w.idp.Inject(idp.Without("id_token")) // an access token's sub is no better
		w.rotate()
		w.wantStanding(true, "")
		w.rotate()
		w.wantStanding(true, "")
		w.keySet.Store(nil)
		w.rotate()
		w.wantStanding(false, "ann")
		w.unverifiable()
		w.idp.Inject(idp.WrongSignature())
		w.rotate()
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
		w.rotate()
		w.wantStanding(false, "ann")
	})
}

// R10: a wrong ID token is written down before the answer is in the token file,
// so that neither a kill nor another daemon of the home serves it; and an earlier
// version, which knows another member, distrusts it too.
func TestWrongIsWrittenDownAtOnce_R10(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: doubtLifetime}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.wantStanding(false, "ann")
		w.kill()
		w.pass(doubtLifetime / 2)
		w.open() // a refresh without what follows it: a kill −9, or another daemon that looks
		w.keys = newGate()
		w.check()
		w.idp.Inject(idp.OtherSubject("eve"))
		if _, err := w.refresh(""); err != nil {
			t.Fatal(err)
		}
		m, err := loadMemory(w.home)
		if err != nil || !m.distrusts(w.inFile().refresh) || m.Unverified != fingerprint(w.inFile().access) || w.fallback.refresh != "" {
			t.Errorf("falcred.json says %+v, %v; the fallback is %q", m, err, w.fallback.refresh)
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
		if !w.idp.Alive(w.inFile().refresh) {
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
			old := `{"Issuer":"` + testIssuer + `","Spent":null,"Tip":"` + fingerprint(refresh) + `","Subject":"ann","Unverified":"` +
				fingerprint(access) + `","Team":{"Name":"","ID":"","Subject":""}}`
			if err := os.WriteFile(filepath.Join(w.home, memoryFile), []byte(old), 0o600); err != nil {
				t.Fatal(err)
			}
			w.idp.Inject(fault)
			w.net.set(errNetDown, false)
			w.start()
			w.wantCode(protocol.CodeUnavailable)
			w.net.set(nil, false)
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
			data, err := os.ReadFile(filepath.Join(w.home, memoryFile))
			if err == nil {
				err = json.Unmarshal(data, &earlier)
			}
			if err != nil || earlier.Issuer != testIssuer || earlier.Tip != fingerprint(w.inFile().refresh) || earlier.Subject != "ann" {
				t.Errorf("an earlier version reads %+v, %v", earlier, err)
			}
			if distrusts := earlier.Unverified == fingerprint(w.inFile().access); distrusts != (what == "wrong") {
				t.Errorf("%s, and an earlier version's verdict is %v", what, distrusts)
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
			err := w.store(protocol.Login{ServerURL: protocol.DefaultServer, Username: protocol.TokenUsername, Secret: protocol.Secret(refresh)})
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

// R10: `falcred login` keeps a login in doubt and says so, learns nothing of it,
// and refuses and revokes a wrong one. A daemon that runs knows of both.
func TestDoubtAndLogin_R10(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: doubtLifetime}, func(w *world) {
		w.start()
		s := &SignIn{cfg: w.cfg, issuer: w.neighbour()}
		grant := func() (*Granted, error) {
			refresh, access, raw := w.idp.Login("ann")
			return s.granted(context.Background(), reply{pair: pair{refresh, access}, idToken: parseIDToken(raw, time.Now())})
		}
		if _, err := s.issuer.discover(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.unverifiable()
		g, err := grant()
		if err != nil || !strings.Contains(g.Doubt, "unverified") || g.Subject != "" || g.Name != "" {
			t.Fatalf("granted: %+v, %v", g, err)
		}
		if err := g.Keep(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.check()
		w.wantStanding(true, "")
		w.keySet.Store(nil)
		w.rotate()
		w.wantStanding(false, "ann")

		w.unverifiable()
		s.cfg.ClientID, s.issuer.clientID = "another", "another"
		if _, err := grant(); err == nil || !strings.Contains(err.Error(), "for another client") {
			t.Errorf("a wrong one: %v", err)
		}
	})
}

// R10: after three rotations and 24 h in doubt, doctor, another process, names
// key, algorithm and set, printable and bounded.
func TestDoctorNamesALongDoubt_R10(t *testing.T) {
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: doubtLifetime, Algorithm: "EdDSA"}, func(w *world) {
		w.unverifiable()
		w.signIn("ann")
		w.start()
		w.wantStanding(true, "")
		for n := range 23 {
			if f, ok := examineDoubt(w.cfg); ok {
				t.Fatalf("after %d hours: %+v", n, f)
			}
			if n == 10 {
				w.kill()
				w.start()
			}
			w.rotate()
		}
		w.pass(time.Hour)
		f, ok := examineDoubt(w.cfg)
		for _, named := range []string{"EdDSA", testIssuer + "/.well-known/jwks.json", "rotations", "none of the issuer's keys"} {
			if !ok || f.Result != Warn || !strings.Contains(f.Text, named) {
				t.Errorf("doctor says %+v, %v: no %q", f, ok, named)
			}
		}
		odd := jwt(map[string]any{"alg": "\x1b[2J" + strings.Repeat("x", 1<<16), "kid": "\x1b]0;é\a"}, map[string]any{}, func(string) []byte { return nil })
		note := doubted{}.again("r", judge(parseIDToken(odd, time.Now()), errors.New("no key"), chain{}), "https://\x1b/", time.Now())
		if text := note.warning(); len(text) > 600 || strings.ContainsAny(text, "\x1b\a") || note.Key != "?]0;??" {
			t.Errorf("%d bytes: %q", len(text), text)
		}
		w.keySet.Store(nil)
		w.rotate()
		if _, ok := examineDoubt(w.cfg); ok {
			t.Error("doctor still names a doubt that is over")
		}
	})
}
