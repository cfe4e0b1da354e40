package testkit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
)

// NewCertificate signs itself for that address until then.
func NewCertificate(t testing.TB, address net.IP, until time.Time) *tls.Certificate {
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

// TLSIssuer starts an issuer on loopback that shows whatever certificate stands in shown,
// and the client's roots, which are these. It ends with the test.
func TLSIssuer(t testing.TB, shown *atomic.Pointer[tls.Certificate], trusted ...*tls.Certificate) (p *idp.Provider, url string, roots *x509.CertPool) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	url = "https://" + server.Listener.Addr().String()
	p, err := idp.New(url, idp.Config{})
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
	roots = x509.NewCertPool()
	for _, c := range trusted {
		roots.AddCert(c.Leaf)
	}
	return p, url, roots
}
