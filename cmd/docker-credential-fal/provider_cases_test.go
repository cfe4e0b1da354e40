//go:build system && unix

package main_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// short is a lifetime of access tokens, in seconds, after which tests need not wait
// long, and long one during which nothing is refreshed.
const short, long = 2, 3600

// R10: whatever asymmetric algorithm signs the ID tokens: a login, refreshes by
// the daemon, verified each time; and a logout that the provider has heard of.
func TestProviderSigns_R10(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			p := newProvider(t)
			p.order(order{"sign": alg, "kid": "second"})
			if said := p.login(); !strings.Contains(said, "logged in, Ann Example (ann@example.com)") {
				t.Errorf("it greets nobody:\n%s", said)
			}
			p.due()
			p.start()
			p.once()
			refresh, _ := p.tokens()
			if out, err := p.falcred("logout").CombinedOutput(); err != nil {
				t.Errorf("logout: %v\n%s", err, out)
			}
			if _, err := os.Stat(p.File); !os.IsNotExist(err) {
				t.Errorf("the token file: %v", err)
			}
			p.refused(refresh)
			p.wantReused(0)
		})
	}
}

// R10: a login lives on when its provider moves to other algorithms.
func TestProviderMovesToAnotherAlgorithm_R10(t *testing.T) {
	p := newProvider(t)
	p.order(order{"lifetime": short})
	p.login()
	p.start()
	for _, alg := range []string{"ES256", "EdDSA", "RS256"} {
		before := p.served().Refreshes
		p.order(order{"sign": alg, "kid": "then " + alg})
		// One may have been on its way, and the last may not be in the file yet.
		p.statusIs("three more refreshes, by "+alg, func(s protocol.Status) bool { return s.Refreshes >= before+3 })
		p.wantVerified()
	}
	p.wantReused(0)
}

// once: one refresh, verified, and nothing that a provider would call reuse.
func (p *provider) once() {
	p.Helper()
	p.wantVerified()
	if got := p.front.count(); got != 1 {
		p.Errorf("%d requests for one refresh", got)
	}
	p.wantReused(0)
}

// R10: the published keys lag behind a rotation: the token is served at once,
// with a warning, and verified without another refresh when the keys are there.
func TestProviderKeysLag_R10(t *testing.T) {
	p := newProvider(t)
	p.login()
	p.due()
	p.front.publish(p.front.published()...)
	p.order(order{"sign": "RS256", "kid": "second"})
	p.start()
	if s := p.served(); !inDoubt(s) || s.State != protocol.StateLoggedIn {
		t.Errorf("nobody is warned: %+v", s)
	}
	p.front.publish()
	p.statusIs("no doubt any more", func(s protocol.Status) bool { return !inDoubt(s) })
	p.once()
}

// R10: whatever is published instead, a doubt is over with a rotation whose keys
// are there.
func TestProviderDoubtEndsAtARotation_R10(t *testing.T) {
	p := newProvider(t)
	p.order(order{"lifetime": short})
	p.login()
	p.start()
	for _, tt := range []struct {
		alg, kid string
		set      func() []key
	}{
		{"RS256", "first", p.front.published}, // the kid is there, over another key
		{"EdDSA", "second", p.front.published},
		{"ES256", "third", func() []key { return []key{{}} }},
	} {
		p.front.publish(tt.set()...)
		p.order(order{"sign": tt.alg, "kid": tt.kid})
		p.statusIs("doubt about "+tt.kid, inDoubt)
		p.wantExit(0)
		p.front.publish()
		p.statusIs("no doubt about "+tt.kid, func(s protocol.Status) bool { return !inDoubt(s) })
		p.wantVerified()
	}
	p.wantReused(0)
}

// R10: the keys lag behind at the login itself, which is kept; the daemon's next
// refresh is verified.
func TestProviderKeysLagAtLogin_R10(t *testing.T) {
	p := newProvider(t)
	before := p.front.published()
	p.order(order{"sign": "ES256", "kid": "second"})
	p.front.publish(before...)
	p.login()
	p.front.publish()
	p.due()
	p.start()
	p.once()
}

// R10 (ory/hydra#3573): the header names the old key, which is still published,
// and the new one has signed. A kid is a hint (RFC 7515 §4.1.4).
func TestProviderOldKidOverANewKey_R10(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256"} { // of the old key's type, and of another
		t.Run(alg, func(t *testing.T) {
			p := newProvider(t)
			p.login()
			p.due()
			set := p.front.published()
			// The provider has put its new key in the place of the old one.
			p.order(order{"sign": alg, "kid": "first"})
			renamed := p.front.published()[0]
			renamed["kid"] = "second"
			p.front.publish(append(set, renamed)...)
			p.start()
			p.once()
		})
	}
}

// R1: 32 scripts at once with a token that has run out make one request, and none
// of them fails.
func TestProviderMeetsACrowd_R1(t *testing.T) {
	p := newProvider(t)
	p.order(order{"lifetime": short})
	p.login()
	p.expires()
	p.order(order{"lifetime": long})
	h := p.front.hold(false)
	p.start()
	<-h.arrived
	const n = 32
	go func() {
		// Well under the 7 s that falcred waits (R7).
		testkit.Within(3*time.Second, func() bool { return p.waiting([]string{p.Sock}) >= n })
		h.goesOn <- true
	}()
	secrets, failures := p.crowd(n, []string{p.Sock}, nil)
	if _, access := p.tokens(); failures > 0 || secrets[access] != n {
		t.Errorf("%d failures, %d of %d got the file's token", failures, secrets[access], n)
	}
	p.once()
}

// R4: kill -9 before the provider has the request: the next daemon sends it again,
// and nothing is lost.
func TestProviderKilledBeforeItRotates_R4(t *testing.T) {
	p := newProvider(t)
	p.login()
	p.due()
	for range 4 {
		h := p.front.hold(false)
		end := p.start()
		<-h.arrived
		end(syscall.SIGKILL)
		h.goesOn <- false
	}
	p.start()
	p.wantExit(0)
	if got := p.front.count(); got != 5 {
		t.Errorf("%d requests by 5 daemons", got)
	}
	p.wantReused(0)
}

// R4: with a grace for the token before, kill -9 loses no login: before the provider
// has the request, after it has rotated, and while its answer comes.
func TestProviderKilledWithAGrace_R4(t *testing.T) {
	p := newProvider(t)
	p.order(order{"lifetime": short, "grace": graceMillis})
	p.login()
	for i := range 12 {
		p.expires()
		h := p.front.hold(i%3 > 0)
		end := p.start()
		<-h.arrived
		if i%3 == 2 {
			h.goesOn <- true
			end(syscall.SIGKILL)
			continue
		}
		end(syscall.SIGKILL)
		h.goesOn <- false
	}
	p.start()
	p.statusIs("two refreshes", func(s protocol.Status) bool { return s.Refreshes >= 2 })
	p.wantVerified()
	p.wantReused(0)
}

// graceMillis is longer than any test.
const graceMillis = 600_000

// R4: what the killed daemon was about is settled at once, while the grace lasts,
// however fresh the access token in the file looks.
func TestProviderKillIsSettledAtOnce_R4(t *testing.T) {
	p := newProvider(t)
	p.order(order{"grace": graceMillis})
	p.login()
	spent, fresh := p.tokens()
	end := p.start()
	h := p.front.hold(true)
	asked := make(chan result)
	go func() {
		asked <- p.run(p.Sock, fmt.Sprintf(`{"ServerURL":%q,"Rejected":%q}`, protocol.DefaultServer, fresh), nil, "get")
	}()
	<-h.arrived
	end(syscall.SIGKILL)
	h.goesOn <- false
	<-asked
	p.start()
	p.Eventually("the file holds other tokens", func() bool {
		refresh, access := p.tokens()
		return refresh != spent && access != fresh && access != ""
	})
	p.wantVerified()
	if got := p.front.count(); got != 2 {
		t.Errorf("%d requests, not the lost one and its replay", got)
	}
	p.wantReused(0)
}

// S5: without a grace, a kill -9 between the provider's rotation and our write loses
// the login. The next daemon tries once, says so, and asks no more (R8).
func TestProviderKilledAfterItRotated_S5(t *testing.T) {
	p := newProvider(t)
	p.login()
	p.due()
	spent, _ := p.tokens()
	h := p.front.hold(true)
	end := p.start()
	<-h.arrived
	end(syscall.SIGKILL)
	h.goesOn <- false
	p.start()
	p.wantExit(3)
	if now, _ := p.tokens(); now != spent {
		t.Error("the file was touched (R8)")
	}
	if got := p.front.count(); got != 2 {
		t.Errorf("%d requests, not the lost one and its replay", got)
	}
	p.wantReused(1)
	p.login() // beside the daemon
	p.wantExit(0)
	p.wantReused(1)
}

// R9: an outage is no logout: 75 when the token has run out, and all is well when the
// provider is back.
func TestProviderOutage_R9(t *testing.T) {
	p := newProvider(t)
	p.order(order{"lifetime": short})
	p.login()
	p.start()
	p.statusIs("a refresh", func(s protocol.Status) bool { return s.Refreshes >= 1 })
	p.front.down()
	p.wantExit(75)
	if refresh, _ := p.tokens(); refresh == "" {
		t.Error("the login is gone")
	}
	p.front.up()
	p.wantExit(0)
	p.wantReused(0)
}

// R9, R11: a token that is valid is served in an outage, by the daemon that runs and
// by one that starts then.
func TestProviderIsDownAtTheStart_R11(t *testing.T) {
	p := newProvider(t)
	p.login()
	end := p.start()
	p.front.down()
	p.wantExit(0)
	end(syscall.SIGTERM)
	p.start()
	p.wantExit(0)
}

// R8: a login that the provider has ended: 3, one request, the file stays, and a new
// login ends that state.
func TestProviderRevokes_R8(t *testing.T) {
	p := newProvider(t)
	p.login()
	p.due()
	p.order(order{"revoke": true})
	refresh, _ := p.tokens()
	p.start()
	p.wantExit(3)
	s := p.statusIs("login_required", func(s protocol.Status) bool { return s.State == protocol.StateLoginRequired })
	if !s.NextRefresh.IsZero() {
		t.Errorf("the provider will be asked again at %s", s.NextRefresh)
	}
	if now, _ := p.tokens(); now != refresh {
		t.Error("the file was touched")
	}
	p.wantExit(3)
	if got := p.front.count(); got != 1 {
		t.Errorf("%d requests with a dead token", got)
	}
	p.login()
	p.wantExit(0)
	p.wantReused(0)
}

// F5: an old copy of the file is never sent, by the daemon that wrote its successor
// nor by the next. That the provider would have noticed is tried at the end.
func TestProviderNeverMeetsASpentToken_F5(t *testing.T) {
	p := newProvider(t)
	p.order(order{"lifetime": short})
	p.login()
	path := p.File
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	spent, _ := p.tokens()
	end := p.start()
	back := func() {
		t.Helper()
		if err := os.WriteFile(path, old, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	restored := func() {
		t.Helper()
		p.Eventually("the living login is back", func() bool {
			now, access := p.tokens()
			return now != "" && now != spent && access != ""
		})
		p.wantReused(0)
	}
	p.statusIs("two refreshes", func(s protocol.Status) bool { return s.Refreshes >= 2 })
	back()
	restored()
	end(syscall.SIGTERM)
	p.start()
	restored()
	p.statusIs("two refreshes", func(s protocol.Status) bool { return s.Refreshes >= 2 })
	p.wantVerified()
	p.wantReused(0)

	p.refused(spent)
	p.wantReused(1)
	p.wantExit(3) // its family is gone
	p.wantReused(1)
}
