//go:build linux && system

package attacks

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// A proxy is the whole Internet as the programs see it: it writes down every
// host that they ask for, and plays those that the test has set up, TLS
// included. Go's clients send everything through it but loopback.
type proxy struct {
	*httptest.Server
	authority []byte // PEM
	leaf      tls.Certificate
	inside    *httptest.Server // the hosts, behind the tunnel

	mu    sync.Mutex
	hosts map[string]http.Handler
	asked map[string]int // by scheme://host
}

func newProxy(t *testing.T, hosts map[string]http.Handler) *proxy {
	t.Helper()
	p := &proxy{hosts: hosts, asked: map[string]int{}}
	p.certify(t, slices.Collect(maps.Keys(hosts)))
	p.inside = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.host(r.Host).ServeHTTP(w, r)
	}))
	p.inside.TLS = &tls.Config{Certificates: []tls.Certificate{p.leaf}}
	p.inside.StartTLS()
	p.Server = httptest.NewServer(http.HandlerFunc(p.tunnel))
	t.Cleanup(func() {
		p.Server.Close()
		p.inside.CloseClientConnections()
		p.inside.Close()
	})
	return p
}

func (p *proxy) tunnel(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	p.mu.Lock()
	scheme := map[bool]string{true: "https://", false: "http://"}[r.Method == http.MethodConnect]
	p.asked[scheme+r.Host]++
	p.mu.Unlock()
	if r.Method != http.MethodConnect || p.host(host) == nil {
		http.Error(w, "no such host here", http.StatusBadGateway)
		return
	}
	there, err := net.Dial("tcp", p.inside.Listener.Addr().String())
	if err != nil {
		http.Error(w, "no", http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusOK)
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		there.Close()
		return
	}
	go func() {
		defer there.Close()
		buffered.WriteTo(there)
	}()
	go func() {
		defer here.Close()
		there.(*net.TCPConn).WriteTo(here)
	}()
}

func (p *proxy) host(name string) http.Handler {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hosts[name]
}

// play makes somebody else play a host, and returns who did.
func (p *proxy) play(name string, h http.Handler) (before http.Handler) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before, p.hosts[name] = p.hosts[name], h
	return before
}

// contacted lists everybody who was asked so far, and forgets it.
func (p *proxy) contacted() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := slices.Sorted(maps.Keys(p.asked))
	clear(p.asked)
	return list
}

// certify makes an authority that the programs are told to trust, and a
// certificate for all hosts.
func (p *proxy) certify(t *testing.T, hosts []string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "attacks"}, DNSNames: hosts,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	p.authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	p.leaf = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// behind makes the scene's programs see nothing but the proxy.
func (p *proxy) behind(s *scene) {
	s.Helper()
	path := s.Base + "/authority.pem"
	s.Must(os.WriteFile(path, p.authority, 0o644))
	s.More = append(s.More, "HTTPS_PROXY="+p.URL, "HTTP_PROXY="+p.URL, "SSL_CERT_FILE="+path)
}
