//go:build linux || darwin

package daemon

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

// newCertificate signs itself for that address until then.
func newCertificate(t *testing.T, address net.IP, until time.Time) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: address.String()},
		NotBefore:    time.Now().Add(-48 * time.Hour), NotAfter: until,
		IPAddresses: []net.IP{address},
		IsCA:        true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// overTLS is an issuer on loopback that shows whatever certificate stands in
// shown, and an owner, with watch and schedule, that trusts these.
func overTLS(t *testing.T, shown *atomic.Pointer[tls.Certificate], trusted ...*tls.Certificate) *world {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	issuer := "https://" + server.Listener.Addr().String()
	p, err := idp.New(issuer, idp.Config{})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = p
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{Certificates: []tls.Certificate{*shown.Load()}}, nil
	}}
	server.StartTLS()
	t.Cleanup(server.Close)
	w := &world{T: t, idp: p, home: t.TempDir(), log: &syncBuffer{}}
	w.path = filepath.Join(w.home, env.TokenFile)
	refresh, access, _ := p.Login("ann")
	w.write(refresh, access)
	cfg := testConfig(w.home, issuer)
	if w.Login, err = newLogin(cfg, slog.New(slog.NewTextHandler(w.log, nil))); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	for _, c := range trusted {
		pool.AddCert(c.Leaf)
	}
	transport := w.issuer.client.Transport.(*http.Transport)
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{}
	}
	transport.TLSClientConfig.RootCAs = pool // and whatever else it says
	ctx, cancel := context.WithCancel(context.Background())
	var threads sync.WaitGroup
	threads.Go(func() { w.schedule(ctx) })
	threads.Go(func() { w.watch(ctx) })
	t.Cleanup(func() {
		cancel()
		threads.Wait()
		w.work.Wait()
	})
	w.until("the owner serves the file's token", w.servesTheFile)
	return w
}

// Another certificate at the issuer's address: the refresh token stays here,
// and the login goes on as soon as the right one is back (R7, R9).
func TestFaultIssuerCertificate(t *testing.T) {
	t.Parallel()
	here, later := net.IPv4(127, 0, 0, 1), time.Now().Add(time.Hour)
	right := newCertificate(t, here, later)
	elsewhere := newCertificate(t, net.IPv4(127, 0, 0, 2), later)
	expired := newCertificate(t, here, time.Now().Add(-24*time.Hour))
	shown := &atomic.Pointer[tls.Certificate]{}
	shown.Store(right)
	w := overTLS(t, shown, right, elsewhere, expired)
	for _, c := range []struct {
		what  string
		shown *tls.Certificate
	}{
		{"the right certificate", right}, // else the other rows would show nothing
		{"another certificate, of an unknown signer", newCertificate(t, here, later)},
		{"another certificate, for another address", elsewhere},
		{"another certificate, expired", expired},
	} {
		before := w.idp.Stats()
		shown.Store(c.shown)
		meanwhile := "not interrupted"
		w.expire()
		if c.shown != right {
			meanwhile = "unavailable"
			w.until("the certificate is refused", func() bool { return strings.Contains(w.status().LastError, "cannot be reached") })
			w.wantCode(protocol.CodeUnavailable)
			w.wantRequests(before.TokenRequests, c.what)
			shown.Store(right)
		}
		w.until("the login is refreshed", func() bool { return w.idp.Stats().Refreshes > before.Refreshes && w.servesTheFile() })
		w.wantRequests(before.TokenRequests+1, "the right certificate again")
		w.wantAlive()
		w.wantNoPlaces()
		report(t, "issuer", c.what, fmt.Sprintf("1 requests, 1 refreshes, %d reuse detections; served meanwhile: %s; login alive",
			w.idp.Stats().ReuseDetections, meanwhile))
	}
}
