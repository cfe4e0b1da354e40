package issuer

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/testkit"
)

// §3: an issuer is https, or on loopback.
func TestCheckURL(t *testing.T) {
	for _, good := range []string{FalIssuer, "https://id.example.com", "https://id.example.com:8443/realms/x", "http://127.0.0.1:9", "http://localhost:5556/dex", "http://[::1]:9"} {
		if err := CheckURL(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "http://id.example.com", "id.example.com", "https://u:p@id.example.com", "https://id.example.com/?a=b", "https://id.example.com/#a", "file:///etc", "https:id", "http://127.0.0.1.example.com"} {
		if CheckURL(bad) == nil {
			t.Errorf("%q was accepted", bad)
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

// F7: whether the issuer answers is asked of itself, and not of what stands before it.
func TestReachable_F7(t *testing.T) {
	inBubble(t, idp.Config{}, func(b *bubble) {
		status := 0
		b.keySet = func(w http.ResponseWriter, r *http.Request) {
			if status == 0 {
				<-r.Context().Done()
				return
			}
			w.WriteHeader(status)
		}
		b.net.Set(testkit.ErrNetDown, false)
		if b.Reachable(b.Context()) {
			t.Error("with the network down it is reachable")
		}
		b.net.Set(nil, false)
		for code, want := range map[int]bool{200: true, 404: true, 500: false, 502: false, 503: false} {
			if status = code; b.Reachable(b.Context()) != want {
				t.Errorf("status %d: reachable is %v", code, !want)
			}
		}
		status = 0
		if begun := time.Now(); b.Reachable(b.Context()) || time.Since(begun) != httpx.SideTimeout {
			t.Errorf("one that does not answer took %v", time.Since(begun))
		}
	})
}

// RFC 7009: the login of a refresh token ends, or the error says why it does not, without
// a redirect (R13) or a word of the answer (R12).
func TestRevoke_R12R13(t *testing.T) {
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
	for status, want := range map[int]string{
		200: "", 400: "revoking at " + testIssuer + " failed: status 400", 307: "revoking at " + testIssuer + " failed: status 307",
	} {
		inBubble(t, idp.Config{}, func(b *bubble) {
			b.know(Endpoints{Token: testIssuer + "/token", Keys: testIssuer + "/.well-known/jwks.json", Revoke: testIssuer + "/.well-known/jwks.json"})
			b.keySet = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "http://other.test/")
				w.WriteHeader(status)
				w.Write([]byte("refresh-token"))
			}
			err := b.Revoke(b.Context(), "refresh-token")
			if err != nil && err.Error() != want || err == nil && want != "" {
				t.Errorf("status %d: %v", status, err)
			}
		})
	}
	p := New(testIssuer, "c", noNetwork{t})
	p.know(Endpoints{Token: testIssuer, Keys: testIssuer})
	if err := p.Revoke(t.Context(), "r"); !errors.Is(err, ErrNoRevocation) {
		t.Errorf("without a revocation endpoint: %v", err)
	}
}
