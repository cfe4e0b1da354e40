package issuer

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/testkit"
)

// §3, R12: an issuer is https, or on loopback, and what may hold a password is not shown.
func TestCheckURL(t *testing.T) {
	for _, good := range []string{FalIssuer, "https://id.example.com", "https://id.example.com:8443/realms/x", "http://127.0.0.1:9", "http://localhost:5556/dex", "http://[::1]:9"} {
		if err := CheckURL(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "http://id.example.com", "id.example.com", "https://u:hush@id.example.com", "https://id.example.com/?a=hush", "https://id.example.com/#hush", "u:hush@id", "https://u:hu%sh@id.example.com", "file:///etc", "https:id", "http://127.0.0.1.example.com"} {
		if err := CheckURL(bad); err == nil || strings.Contains(err.Error(), "hu") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// noNetwork is the transport of who must not ask.
type noNetwork struct{ *testing.T }

func (n noNetwork) RoundTrip(req *http.Request) (*http.Response, error) {
	n.Errorf("%s was asked", req.URL)
	return nil, testkit.ErrNetDown
}

// R11: fal's endpoints are known without a network.
func TestFalsEndpoints_R11(t *testing.T) {
	p := New(FalIssuer, FalClientID, noNetwork{t})
	if e, err := p.Discover(t.Context()); err != nil || e != falEndpoints || p.KeysAt() != falEndpoints.Keys {
		t.Errorf("%+v, %v", e, err)
	}
	if p := New(testIssuer, "c", noNetwork{t}); p.KeysAt() != "" {
		t.Errorf("it knows where the keys are: %q", p.KeysAt())
	}
}

// R6: where no transport is given, it is the one that sends nothing twice.
func TestTransport_R6(t *testing.T) {
	transport, ok := New(testIssuer, "c", nil).Client().Transport.(*httpx.Transport)
	if !ok || !transport.DisableKeepAlives || transport.Protocols.HTTP2() {
		t.Errorf("%+v", transport)
	}
}

// R13: discovered endpoints are https, or on loopback where the issuer is.
func TestR13Endpoints(t *testing.T) {
	for _, c := range []struct {
		issuer, endpoint string
		want             bool
	}{
		{"https://id.example.com", "https://id.example.com/token", true},
		{"https://id.example.com", "http://id.example.com/token", false},
		{"https://id.example.com", "http://127.0.0.1/token", false},
		{"http://127.0.0.1:5556", "http://127.0.0.1:5556/token", true},
		{"http://127.0.0.1:5556", "http://10.0.0.1/token", false},
		{"https://id.example.com", "https://user@id.example.com/token", false},
		{"https://id.example.com", "file:///etc/passwd", false},
		{"https://id.example.com", "https:id.example.com/token", false},
		{"https://id.example.com", "https://bücher.example/token", true},
	} {
		p := New(c.issuer, "c", noNetwork{t})
		if got := p.trusts(c.endpoint); got != c.want {
			t.Errorf("issuer %s, endpoint %s: trusted %v, want %v", c.issuer, c.endpoint, got, c.want)
		}
	}
}

// R11: the endpoints are asked for once, by one at a time, and again after a failure; a
// request that hangs costs 5 s, and who leaves is not kept.
func TestDiscover_R11(t *testing.T) {
	inBubble(t, idp.Config{}, func(b *bubble) {
		b.net.Set(testkit.ErrNetDown, false)
		if _, err := b.Discover(b.Context()); err == nil || b.KeysAt() != "" {
			t.Errorf("with the network down: %v, %q", err, b.KeysAt())
		}
		b.net.Set(nil, true)
		begun := time.Now()
		var callers sync.WaitGroup
		for range 3 {
			callers.Go(func() {
				if _, err := b.Discover(b.Context()); err == nil || time.Since(begun) != httpx.SideTimeout {
					t.Errorf("a network that hangs: %v after %v", err, time.Since(begun))
				}
			})
		}
		synctest.Wait()
		ctx, leave := context.WithCancel(b.Context())
		leave()
		if _, err := b.Discover(ctx); err == nil || time.Since(begun) != 0 {
			t.Errorf("who has left: %v after %v", err, time.Since(begun))
		}
		callers.Wait()
		b.net.Set(nil, false)
		for range 5 {
			callers.Go(b.mustDiscover)
		}
		callers.Wait()
		if n := b.discovered.Load(); n != 1 || b.KeysAt() != testIssuer+"/.well-known/jwks.json" {
			t.Errorf("asked %d times; the keys are at %q", n, b.KeysAt())
		}
	})
}

// F7, R8: whether the issuer answers is asked of itself, and not of what stands before it: only
// its keys count.
func TestPing_F7R8(t *testing.T) {
	inBubble(t, idp.Config{}, func(b *bubble) {
		b.net.Set(testkit.ErrNetDown, false)
		if b.Ping(b.Context()) == nil {
			t.Error("with the network down it answers")
		}
		b.net.Set(nil, false)
		for _, c := range []struct {
			status     int
			kind, body string
			want       bool
		}{
			{200, "application/json", `{"keys":[]}`, true},
			{200, "text/plain", `{"a":1,"keys":[{"kty":"odd"}]}`, true},
			{200, "text/html", "<!doctype html>", false}, // a captive portal
			{200, "application/json", `{"error":"invalid_request"}`, false},
			{200, "application/json", `{"keys":"none"}`, false},
			{200, "application/json", `[]`, false},
			{200, "application/json", ``, false},
			{204, "", "", false},
			{302, "application/json", `{"keys":[]}`, false},
			{403, "text/html", "<!doctype html>", false},
			{404, "application/json", `{"keys":[]}`, false},
			{500, "", "", false}, {502, "text/html", "<p>", false}, {503, "", "", false},
		} {
			b.keySet = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.kind)
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			}
			if err := b.Ping(b.Context()); (err == nil) != c.want {
				t.Errorf("%d, %s, %s: %v", c.status, c.kind, c.body, err)
			}
		}
		b.keySet = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		if begun := time.Now(); b.Ping(b.Context()) == nil || time.Since(begun) != httpx.SideTimeout {
			t.Errorf("one that does not answer took %v", time.Since(begun))
		}
	})
}

// RFC 7009, R8: the login of a refresh token ends, or the error says why it does not, and who
// says so, without a redirect (R13) or a word of the answer (R12).
func TestRevoke_R8R12R13(t *testing.T) {
	inBubble(t, idp.Config{}, func(b *bubble) {
		refresh, _, _ := b.idp.Login("ann")
		if err := b.Revoke(b.Context(), refresh); err != nil || b.idp.Alive(refresh) {
			t.Errorf("%v; alive is %v", err, b.idp.Alive(refresh))
		}
		b.net.Set(testkit.ErrNetDown, false)
		want := "revoking at " + testIssuer + " failed: the answer was not understood"
		if err := b.Revoke(b.Context(), refresh); err == nil || err.Error() != want {
			t.Errorf("with the network down: %v", err)
		}
	})
	const between = "something between this machine and it answers: status "
	for _, c := range []struct {
		status     int
		kind, body string
		want       string
	}{
		{200, "", "", ""}, {200, "text/html", " \n", ""}, {200, "application/json", `{}`, ""}, {200, "application/json", `{"error":null}`, ""},
		{200, "application/json", `{"error":""}`, ""}, {200, "text/plain", "refresh-token", ""}, // RFC 7009 §2.2: the body is ignored
		{200, "text/html", "<!doctype html>refresh-token", between + "200, text/html"},
		{200, "text/html", "refresh-token", between + "200, text/html"},
		{200, "text/plain", "\n <html>refresh-token", between + "200, text/plain"},
		{200, "application/json", `{"error":"invalid_client"}`, "it refuses: status 200 (invalid_client)"}, // casdoor
		{200, "application/json", `{"error":"Forbidden"}`, between + "200, application/json"},
		{200, "application/json", `{"error":{"code":"refresh-token"}}`, between + "200, application/json"},
		{204, "", "", between + "204, no content type"},
		{307, "", "refresh-token", between + "307, no content type"},
		{400, "application/json", `{"error":"unsupported_token_type"}`, "it refuses: status 400 (unsupported_token_type)"},
		{400, "text/plain", "refresh-token", between + "400, text/plain"},
		{403, "text/html", "refresh-token", between + "403, text/html"},
		{503, "", "refresh-token", "it, or a gateway before it, answers with status 503, no content type"}, // RFC 7009 §2.2.1
	} {
		inBubble(t, idp.Config{}, func(b *bubble) {
			b.know(Endpoints{Token: testIssuer + "/token", Keys: testIssuer + "/.well-known/jwks.json", Revoke: testIssuer + "/.well-known/jwks.json"})
			b.keySet = func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = nil
				if c.kind != "" {
					w.Header().Set("Content-Type", c.kind)
				}
				w.Header().Set("Location", "http://other.test/")
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			}
			want := ""
			if c.want != "" {
				want = "revoking at " + testIssuer + " failed: " + c.want
			}
			err := b.Revoke(b.Context(), "refresh-token")
			if err != nil && err.Error() != want || err == nil && want != "" {
				t.Errorf("%d, %s, %q: %v", c.status, c.kind, c.body, err)
			}
		})
	}
	p := New(testIssuer, "c", noNetwork{t})
	p.know(Endpoints{Token: testIssuer, Keys: testIssuer})
	if err := p.Revoke(t.Context(), "r"); !errors.Is(err, ErrNoRevocation) {
		t.Errorf("without a revocation endpoint: %v", err)
	}
}

// R8: what is not the issuer's document, or its keys, is named by who sends it; how long that
// wants to be left alone reaches who would ask again (R7).
func TestDiscoveryAndKeysByAnother_R7R8(t *testing.T) {
	inBubble(t, idp.Config{}, func(b *bubble) {
		page := func(status int) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				w.Header().Set("Retry-After", "600")
				w.WriteHeader(status)
				io.WriteString(w, "<p>a secret")
			}
		}
		for status, want := range map[int]string{
			200: "something between this machine and it answers: status 200, text/html",
			302: "something between this machine and it answers: status 302, text/html",
			403: "something between this machine and it answers: status 403, text/html",
			429: "it, or a gateway before it, asks falcred to slow down (status 429)",
			502: "it, or a gateway before it, answers with status 502, text/html",
		} {
			b.document = page(status)
			r := b.Refresh(b.Context(), "r", AnswerTimeout)
			if got := "discovery at " + testIssuer + " failed: " + want; r.Outcome != Unsent || !strings.HasPrefix(r.Err.Error(), got+"\n") || r.Said.RetryAfter != 10*time.Minute {
				t.Errorf("status %d: outcome %d, %v, for %v", status, r.Outcome, r.Err, r.Said.RetryAfter)
			}
		}
		b.document = nil
		b.mustDiscover()
		_, _, raw := b.idp.Login("ann")
		for status, want := range map[int]string{
			200: "something between this machine and it answers: status 200, text/html",
			403: "something between this machine and it answers: status 403, text/html",
			503: "it, or a gateway before it, answers with status 503, text/html",
		} {
			b.keySet = page(status)
			if v := b.Verify(b.Context(), parseIDToken(raw, time.Now()), ""); v.Doubt == nil || v.Doubt.Error() != "the issuer's keys could not be fetched: "+want || httpx.Said(v.Doubt).RetryAfter != 10*time.Minute {
				t.Errorf("keys with status %d: %v", status, v.Doubt)
			}
		}
	})
}

// R8: what a refresh would meet is found out without a token.
func TestProbe_R8(t *testing.T) {
	inBubble(t, idp.Config{}, func(b *bubble) {
		if err := b.Probe(b.Context()); err != nil {
			t.Errorf("the issuer: %v", err)
		}
		for _, r := range b.idp.Requests() {
			if r.RefreshHash != "" {
				t.Error("a token was sent")
			}
		}
		b.idp.SetConfig(func(c *idp.Config) { c.ClientID = "another" })
		want := "a refresh at " + testIssuer + ` as client "test-client" fails: it refuses: status 401 (invalid_client)`
		if err := b.Probe(b.Context()); err == nil || !strings.HasPrefix(err.Error(), want+"\n") || !strings.Contains(httpx.Said(err).Hint(), "FALCRED_CLIENT_ID") {
			t.Errorf("another client: %v", err)
		}
		b.know(Endpoints{Token: testIssuer + "/.well-known/jwks.json", Keys: testIssuer + "/.well-known/jwks.json"})
		b.keySet = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusForbidden)
		}
		want = "a refresh at " + testIssuer + ` as client "test-client" fails: something between this machine and it answers: status 403, text/html`
		if err := b.Probe(b.Context()); err == nil || !strings.HasPrefix(err.Error(), want+"\n") {
			t.Errorf("a gateway: %v", err)
		}
		b.net.Set(testkit.ErrNetDown, false)
		want = "a refresh at " + testIssuer + " fails: the answer was not understood"
		if err := b.Probe(b.Context()); err == nil || !strings.HasPrefix(err.Error(), want+"\n") {
			t.Errorf("nobody: %v", err)
		}
	})
}
