package httpx

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
)

// What can stand between a laptop and its issuer is named, without a word of
// what it said (R12).
func TestDescribeNamesWhatFailed(t *testing.T) {
	const nobody = "127.0.0.1:1"
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	servers := make([]*httptest.Server, 3)
	for i := range servers {
		servers[i] = httptest.NewUnstartedServer(http.NotFoundHandler())
		servers[i].Config.ErrorLog = log.New(io.Discard, "", 0)
		defer servers[i].Close()
	}
	noTLS, unknown, old := servers[0], servers[1], servers[2]
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11} // #nosec G402 -- to be refused
	noTLS.Start()
	unknown.StartTLS() // as everybody here, it has a certificate that nobody knows
	old.StartTLS()

	for name, c := range map[string]struct {
		address, proxy string
		want           string
		soon           bool // the handshake's time is over at once
	}{
		"nobody":                     {address: "http://" + nobody, want: "connection refused"},
		"a silent host":              {address: "https://" + silent.Addr().String(), soon: true, want: "no answer in time"},
		"no TLS":                     {address: "https" + strings.TrimPrefix(noTLS.URL, "http"), want: "it does not speak TLS"},
		"an old TLS":                 {address: old.URL, want: "it ended the connection with a TLS alert (tls: protocol version not supported)"},
		"an unknown CA":              {address: unknown.URL, want: "its certificate is signed by an unknown authority"},
		"a proxy that is down":       {address: unknown.URL, proxy: "http://" + nobody, want: "the proxy cannot be reached: connection refused"},
		"a proxy of an unknown CA":   {address: unknown.URL, proxy: unknown.URL, want: "the proxy cannot be reached: its certificate is signed by an unknown authority"},
		"a proxy without TLS":        {address: unknown.URL, proxy: "https" + strings.TrimPrefix(noTLS.URL, "http"), want: "the proxy cannot be reached: it does not speak TLS"},
		"a SOCKS proxy that is down": {address: unknown.URL, proxy: "socks5://" + nobody, want: "the proxy cannot be reached: connection refused"},
		"no SOCKS proxy":             {address: unknown.URL, proxy: "socks5" + strings.TrimPrefix(testkit.Answering(t, "HTTP/1.1 400 a secret"), "http"), want: "no connection through the proxy: the answer was not understood"},
		"a proxy's 403":              {address: unknown.URL, proxy: testkit.Answering(t, "HTTP/1.1 403 a secret"), want: "the proxy refuses: status 403"},
		"a proxy's 407":              {address: unknown.URL, proxy: testkit.Answering(t, "HTTP/1.1 407 a secret"), want: "the proxy refuses: status 407"},
		"a status of its own":        {address: unknown.URL, proxy: testkit.Answering(t, "HTTP/1.1 999 a secret"), want: "the proxy refuses: status 999"},
		"no status":                  {address: unknown.URL, proxy: testkit.Answering(t, "HTTP/1.1 4o7 a secret"), want: "the answer was not understood"},
	} {
		t.Run(name, func(t *testing.T) {
			transport := NewTransport()
			client := Client(transport)
			client.Timeout = time.Minute
			transport.TLSHandshakeTimeout = time.Minute
			if c.soon {
				transport.TLSHandshakeTimeout = time.Millisecond
			}
			if c.proxy != "" {
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
			if got := Describe(err); got != c.want {
				t.Errorf("%v is called %q, want %q", err, got, c.want)
			}
		})
	}
}

// R12: an issuer's discovery can call anything a host.
func TestDescribeNamesNoHost(t *testing.T) {
	if got := Describe(&net.DNSError{Name: "a-secret.example", Err: "no such host"}); got != "its host name cannot be resolved" {
		t.Errorf("%q", got)
	}
}
