//go:build linux && system

package faults

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// R9: the network goes away, in a network namespace with a link of its own, for
// longer than the token lives, and comes back: served, then unavailable, then
// refreshed once, and the login alive.
func TestNetworkAway(t *testing.T) {
	const fault = "the network away, and back (network namespace)"
	table.NeedRoot(t, fault)
	table.NeedTool(t, fault, "ip")
	n := newLink(t, 0)
	s := newSceneAt(t, n.issuer(idp.Config{Lifetime: 6 * time.Second}, n.ours))
	s.wrap = []string{"ip", "netns", "exec", n.name}
	s.More = []string{"SSL_CERT_FILE=" + n.ca}
	s.web = n.client()
	s.newLogin()
	s.serve()
	s.wantAlive()
	rounds := testkit.Long(2, 20)
	for range rounds {
		n.ip("link", "set", n.name, "down")
		before := s.IDP.Stats().TokenRequests
		token, err := s.get()
		s.Must(err)
		s.Eventually("the token runs out", func() bool {
			now, err := s.get()
			if err == nil && now != token {
				s.Fatal("a new token came over a link that is down")
			}
			return err != nil
		})
		if n := s.IDP.Stats().TokenRequests - before; n != 0 {
			t.Errorf("%d requests arrived over a link that is down", n)
		}
		n.ip("link", "set", n.name, "up")
		s.Eventually("a new token is served", func() bool {
			_, err := s.get()
			return err == nil
		})
		s.wantAlive()
	}
	s.wantWell()
	table.Report(t, fault, testkit.Count(rounds, "time"), "the token served to its end, then unavailable; 0 logins lost")
}

// link is a network namespace, and a pair of interfaces into it.
type link struct {
	*testing.T
	name string // of the namespace, and of our end
	ours string // our end's address
	ca   string // the issuer's certificate
}

// newLink makes the link of that number: each has addresses of its own.
func newLink(t *testing.T, number int) *link {
	t.Helper()
	address := func(host int) string { return fmt.Sprintf("10.213.57.%d", 4*number+host) }
	n := &link{T: t, name: fmt.Sprintf("fc%d.%d", os.Getpid()%100000, number), ours: address(1), ca: filepath.Join(t.TempDir(), "ca.pem")}
	n.ip("netns", "add", n.name)
	t.Cleanup(func() { exec.Command("ip", "netns", "del", n.name).Run() })
	n.ip("link", "add", n.name, "type", "veth", "peer", "name", "up0", "netns", n.name)
	t.Cleanup(func() { exec.Command("ip", "link", "del", n.name).Run() })
	n.ip("addr", "add", n.ours+"/30", "dev", n.name)
	n.ip("link", "set", n.name, "up")
	n.ip("-n", n.name, "addr", "add", address(2)+"/30", "dev", "up0")
	n.ip("-n", n.name, "link", "set", "up0", "up")
	n.ip("-n", n.name, "link", "set", "lo", "up")
	return n
}

func (n *link) ip(args ...string) {
	n.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.Fatalf("ip %v: %v\n%s", args, err, out)
	}
}

// issuer serves over TLS on our end, under that name: off loopback it has to be
// https (§3).
func (n *link) issuer(cfg idp.Config, host string) *idp.Server {
	n.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		n.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		n.Fatal(err)
	}
	if err := os.WriteFile(n.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		n.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	listener, err := tls.Listen("tcp", n.ours+":0", config)
	if err != nil {
		n.Fatal(err)
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	server, err := idp.Serve(listener, "https://"+net.JoinHostPort(host, port), cfg)
	if err != nil {
		n.Fatal(err)
	}
	n.Cleanup(server.Close)
	return server
}

// client trusts the issuer's certificate, and needs no name to find it.
func (n *link) client() *http.Client {
	n.Helper()
	data, err := os.ReadFile(n.ca)
	if err != nil {
		n.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(data)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(n.ours, port))
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
}
