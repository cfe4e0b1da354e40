package daemon

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
)

// What can stand between a laptop and its issuer is named, without a word of
// what it said (R12).
func TestPlainNamesWhatFailed(t *testing.T) {
	closed := "http://" + closedPort(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	clear := httptest.NewServer(http.NotFoundHandler())
	defer clear.Close()
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.Config.ErrorLog = log.New(io.Discard, "", 0)
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11} // #nosec G402 -- to be refused
	old.StartTLS()
	defer old.Close()
	refusing := func(status int) string {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, "a secret")
		}))
		t.Cleanup(proxy.Close)
		return proxy.URL
	}
	for name, c := range map[string]struct{ address, proxy, want string }{
		"nobody":            {address: closed, want: "connection refused"},
		"a silent host":     {address: "https://" + silent.Addr().String(), want: "it took too long"},
		"no TLS":            {address: strings.Replace(clear.URL, "http:", "https:", 1), want: "it does not speak TLS"},
		"an old TLS":        {address: old.URL, want: "it ended the TLS handshake with an alert (tls: protocol version not supported)"},
		"no proxy":          {address: old.URL, proxy: closed, want: "the proxy cannot be reached: connection refused"},
		"a proxy's 407":     {address: old.URL, proxy: refusing(407), want: "the proxy refuses with status 407 Proxy Authentication Required"},
		"a proxy's own 403": {address: old.URL, proxy: refusing(403), want: "the proxy refuses with status 403 Forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient()
			transport := client.Transport.(*http.Transport)
			if name == "a silent host" {
				transport.TLSHandshakeTimeout = time.Millisecond // the same end, sooner
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
			if got := plain(err); got != c.want {
				t.Errorf("%v is called %q, want %q", err, got, c.want)
			}
			if got := mendReach(err, " through the proxy"); strings.Contains(got, "PASSWORD") != (name == "a proxy's 407") {
				t.Errorf("the mend is %q", got)
			}
		})
	}
}

// closedPort is an address of this machine where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
