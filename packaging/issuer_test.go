//go:build linux && system

package packaging_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/issuer"
)

// serveIssuer is fal's issuer, as far as a container can tell: its name, its
// address and a certificate, behind a Unix socket. It lives here, so that it
// outlives the container's reboots, and its record can be looked at.
func serveIssuer(t *testing.T, folder string) *idp.Provider {
	t.Helper()
	provider, err := idp.New(issuer.FalIssuer, idp.Config{ClientID: issuer.FalClientID, Audience: issuer.FalAudience})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(folder, "issuer"))
	if err != nil {
		t.Fatal(err)
	}
	cert := newCertificate(t, "auth.fal.ai")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	if err := os.WriteFile(filepath.Join(folder, "ca.pem"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: provider, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
	go server.ServeTLS(listener, "", "")
	t.Cleanup(func() { server.Close() })
	return provider
}

// newCertificate is its own authority.
func newCertificate(t *testing.T, host string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
