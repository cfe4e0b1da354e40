package issuer

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/testkit"
)

// R7: with another certificate at the issuer's address the refresh token stays here, and
// is known to be unused.
func TestCertificate_R7(t *testing.T) {
	here, later := net.IPv4(127, 0, 0, 1), time.Now().Add(time.Hour)
	right := testkit.NewCertificate(t, here, later)
	elsewhere := testkit.NewCertificate(t, net.IPv4(127, 0, 0, 2), later)
	expired := testkit.NewCertificate(t, here, time.Now().Add(-24*time.Hour))
	var shown atomic.Pointer[tls.Certificate]
	shown.Store(right)
	provider, address, roots := testkit.TLSIssuer(t, &shown, right, elsewhere, expired)
	transport := httpx.NewTransport()
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{}
	}
	transport.TLSClientConfig.RootCAs = roots // and whatever else it says
	p := New(address, "test-client", transport)
	if _, err := p.Discover(t.Context()); err != nil {
		t.Fatal(err)
	}
	refresh, _, _ := provider.Login("ann")
	for _, c := range []struct {
		what  string
		shown *tls.Certificate
		want  string
	}{
		{"the right certificate", right, ""}, // else the other rows would show nothing
		{"another certificate, of an unknown signer", testkit.NewCertificate(t, here, later), "the issuer cannot be reached: its certificate is signed by an unknown authority"},
		{"another certificate, for another address", elsewhere, "the issuer cannot be reached: its certificate is for another host"},
		{"another certificate, expired", expired, "the issuer cannot be reached: its certificate is not valid"},
		{"the right certificate again", right, ""},
	} {
		shown.Store(c.shown)
		before := provider.Stats().TokenRequests
		r := p.Refresh(t.Context(), refresh, AnswerTimeout)
		sent := provider.Stats().TokenRequests - before
		switch {
		case c.want == "" && (r.Outcome != Granted || sent != 1):
			t.Errorf("%s: outcome %d, %v; %d requests", c.what, r.Outcome, r.Err, sent)
		case c.want == "":
			refresh = r.Tokens.Refresh
		case r.Outcome != Unsent || r.Err.Error() != c.want || sent != 0:
			t.Errorf("%s: outcome %d, %v; %d requests", c.what, r.Outcome, r.Err, sent)
		}
	}
	if n := provider.Stats().ReuseDetections; n != 0 || !provider.Alive(refresh) {
		t.Errorf("%d reuse detections; alive is %v", n, provider.Alive(refresh))
	}
}
