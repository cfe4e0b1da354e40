package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/testkit"
)

// Who has set no FALCRED_ISSUER is not asked whether that is right.
func TestHintAsksForWhatIsSet(t *testing.T) {
	unknown := &net.DNSError{IsNotFound: true}
	for named, want := range map[bool]string{true: "is FALCRED_ISSUER right? else check the network", false: "check the network or VPN"} {
		cfg := Config{}
		cfg.Named = named
		if hint := blameless(cfg, reachHint(unknown, "")); !strings.HasPrefix(hint, want) {
			t.Errorf("%v: %q", named, hint)
		}
	}
}

// newServer is one that answers nothing, and is not started.
func newServer(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(s.Close)
	return s
}

// Whatever stands between a laptop and its issuer, the hint is about that, and names the
// certificate that was shown instead.
func TestReachHint(t *testing.T) {
	const nobody = "127.0.0.1:1"
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	here, now := net.IPv4(127, 0, 0, 1), time.Now()
	expired := testkit.NewCertificate(t, here, now.Add(-24*time.Hour))
	elsewhere := testkit.NewCertificate(t, net.IPv4(127, 0, 0, 2), now.Add(time.Hour))
	noTLS, unknown, old, late, other := newServer(t), newServer(t), newServer(t), newServer(t), newServer(t)
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11} // #nosec G402 -- to be refused
	late.TLS = &tls.Config{Certificates: []tls.Certificate{*expired}}
	other.TLS = &tls.Config{Certificates: []tls.Certificate{*elsewhere}}
	noTLS.Start()
	unknown.StartTLS() // as everybody here, it has a certificate that nobody knows
	old.StartTLS()
	late.StartTLS()
	other.StartTLS()

	const (
		network  = "check the network"
		proxy    = "check HTTPS_PROXY and NO_PROXY"
		itsCA    = "if a proxy of your company signs"
		clock    = "set this machine's clock"
		issuer   = "is FALCRED_ISSUER right?"
		itsProxy = "check HTTPS_PROXY, and this machine's clock"
	)
	for name, c := range map[string]struct {
		address, proxy string
		trusted        *tls.Certificate
		hint           string
		shown          string // the certificate that is named
		soon           bool   // the handshake's time is over at once
	}{
		"nobody":                        {address: "http://" + nobody, hint: network},
		"a silent host":                 {address: "https://" + silent.Addr().String(), soon: true, hint: network},
		"no TLS":                        {address: "https" + strings.TrimPrefix(noTLS.URL, "http"), hint: network},
		"an old TLS":                    {address: old.URL, hint: network},
		"an unknown CA":                 {address: unknown.URL, hint: itsCA, shown: "O=Acme Co"},
		"an expired certificate":        {address: late.URL, trusted: expired, hint: clock, shown: "CN=127.0.0.1"},
		"another's certificate":         {address: other.URL, trusted: elsewhere, hint: issuer, shown: "CN=127.0.0.2"},
		"a proxy that is down":          {address: unknown.URL, proxy: "http://" + nobody, hint: proxy},
		"a proxy of an unknown CA":      {address: unknown.URL, proxy: unknown.URL, hint: itsCA, shown: "O=Acme Co"},
		"a proxy's expired certificate": {address: unknown.URL, proxy: late.URL, trusted: expired, hint: itsProxy, shown: "CN=127.0.0.1"},
		"a proxy without TLS":           {address: unknown.URL, proxy: "https" + strings.TrimPrefix(noTLS.URL, "http"), hint: proxy},
		"a SOCKS proxy that is down":    {address: unknown.URL, proxy: "socks5://" + nobody, hint: proxy},
		"no SOCKS proxy":                {address: unknown.URL, proxy: "socks5" + strings.TrimPrefix(testkit.Answering(t, "HTTP/1.1 400 a secret"), "http"), hint: proxy},
		"a proxy's 403":                 {address: unknown.URL, proxy: testkit.Answering(t, "HTTP/1.1 403 a secret"), hint: proxy},
		"a proxy's 407":                 {address: unknown.URL, proxy: testkit.Answering(t, "HTTP/1.1 407 a secret"), hint: "give the proxy the right user and password"},
		"a status of its own":           {address: unknown.URL, proxy: testkit.Answering(t, "HTTP/1.1 999 a secret"), hint: proxy},
		"no status":                     {address: unknown.URL, proxy: testkit.Answering(t, "HTTP/1.1 4o7 a secret"), hint: proxy},
	} {
		t.Run(name, func(t *testing.T) {
			transport := httpx.NewTransport()
			client := httpx.Client(transport)
			client.Timeout = time.Minute
			transport.TLSHandshakeTimeout = time.Minute
			if c.soon {
				transport.TLSHandshakeTimeout = time.Millisecond
			}
			if c.trusted != nil {
				if transport.TLSClientConfig == nil {
					transport.TLSClientConfig = &tls.Config{}
				}
				transport.TLSClientConfig.RootCAs = x509.NewCertPool() // and whatever else it says
				transport.TLSClientConfig.RootCAs.AddCert(c.trusted.Leaf)
			}
			via := ""
			if c.proxy != "" {
				via = " through the proxy"
				proxy, err := url.Parse(c.proxy)
				if err != nil {
					t.Fatal(err)
				}
				transport.Proxy = http.ProxyURL(proxy)
			}
			resp, err := client.Get(c.address)
			if err == nil {
				resp.Body.Close()
				t.Fatal("an answer")
			}
			if got := reachHint(err, via); !strings.HasPrefix(got, c.hint) {
				t.Errorf("the hint at %v is %q, want %q", err, got, c.hint)
			}
			if got := certificate(err); (got != "") != (c.shown != "") || !strings.Contains(got, c.shown) {
				t.Errorf("%v names%s, want %q", err, got, c.shown)
			}
		})
	}
}
