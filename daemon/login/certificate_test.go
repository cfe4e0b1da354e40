//go:build linux || darwin

package login

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// overTLS is an issuer on loopback that shows whatever certificate stands in
// shown, and an owner, with watch and schedule, that trusts these.
func overTLS(t *testing.T, shown *atomic.Pointer[tls.Certificate], trusted ...*tls.Certificate) *world {
	t.Helper()
	p, issuer, roots := testkit.TLSIssuer(t, shown, trusted...)
	transport := httpx.NewTransport()
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{}
	}
	transport.TLSClientConfig.RootCAs = roots // and whatever else it says
	return onRealClock(t, p, issuer, transport)
}

// Another certificate at the issuer's address: the refresh token stays here,
// and the login goes on as soon as the right one is back (R7, R9).
func TestFaultIssuerCertificate(t *testing.T) {
	t.Parallel()
	here, later := net.IPv4(127, 0, 0, 1), time.Now().Add(time.Hour)
	right := testkit.NewCertificate(t, here, later)
	elsewhere := testkit.NewCertificate(t, net.IPv4(127, 0, 0, 2), later)
	expired := testkit.NewCertificate(t, here, time.Now().Add(-24*time.Hour))
	shown := &atomic.Pointer[tls.Certificate]{}
	shown.Store(right)
	w := overTLS(t, shown, right, elsewhere, expired)
	for _, c := range []struct {
		what  string
		shown *tls.Certificate
	}{
		{"the right certificate", right}, // else the other rows would show nothing
		{"another certificate, of an unknown signer", testkit.NewCertificate(t, here, later)},
		{"another certificate, for another address", elsewhere},
		{"another certificate, expired", expired},
	} {
		before := w.idp.Stats()
		shown.Store(c.shown)
		meanwhile := "not interrupted"
		w.expire()
		if c.shown != right {
			meanwhile = "unavailable"
			w.until("the certificate is refused", func() bool { return strings.Contains(w.Snapshot().Status().LastError, "cannot be reached") })
			w.wantCode(protocol.CodeUnavailable)
			w.wantRequests(before.TokenRequests, c.what)
			shown.Store(right)
		}
		w.until("the login is refreshed", func() bool { return w.idp.Stats().Refreshes > before.Refreshes && w.servesTheFile() })
		w.wantRequests(before.TokenRequests+1, "the right certificate again")
		w.wantAlive()
		w.wantNoEntries()
		report(t, "issuer", c.what, fmt.Sprintf("1 requests, 1 refreshes, %d reuse detections; served meanwhile: %s; login alive",
			w.idp.Stats().ReuseDetections, meanwhile))
	}
}
