package issuer

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/testkit"
)

const testIssuer = "http://127.0.0.1:9999"

// bubble is an issuer on a fake clock, and its client.
type bubble struct {
	*testing.T
	*Provider
	idp *idp.Provider
	net *testkit.MemoryNet

	front      func(w http.ResponseWriter, r *http.Request) (answered bool) // may stand before the issuer
	keySet     http.HandlerFunc                                             // answers for the keys in the issuer's place
	document   http.HandlerFunc                                             // the same for the discovery document
	asked      atomic.Int32                                                 // how often the keys were asked for
	discovered atomic.Int32                                                 // and the discovery document
	strays     atomic.Int32                                                 // requests for another host than the issuer's
}

// ServeHTTP is the issuer.
func (b *bubble) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if b.front != nil && b.front(w, r) {
		return
	}
	switch {
	case r.Host != strings.TrimPrefix(testIssuer, "http://"):
		b.strays.Add(1)
		http.NotFound(w, r)
		return
	case strings.HasSuffix(r.URL.Path, "openid-configuration"):
		b.discovered.Add(1)
		if b.document != nil {
			b.document(w, r)
			return
		}
	case strings.HasSuffix(r.URL.Path, "jwks.json"):
		b.asked.Add(1)
		if b.keySet != nil {
			b.keySet(w, r)
			return
		}
	}
	b.idp.ServeHTTP(w, r)
}

// inBubble runs f on the fake clock, with a provider that has discovered nothing yet.
func inBubble(t *testing.T, cfg idp.Config, f func(b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p, err := idp.New(testIssuer, cfg)
		if err != nil {
			t.Fatal(err)
		}
		b := &bubble{T: t, idp: p, net: testkit.NewMemoryNet(httpx.ConnectTimeout + time.Second)}
		b.Provider = serveIn(t, b.net, b)
		f(b)
		if n := b.strays.Load(); n != 0 {
			t.Errorf("%d requests for another host (R13)", n)
		}
	})
}

// serveIn has that handler on that network, until the bubble ends, and a client of it.
func serveIn(t *testing.T, network *testkit.MemoryNet, handler http.Handler) *Provider {
	server := &http.Server{Handler: handler}
	go server.Serve(network)
	t.Cleanup(func() {
		time.Sleep(2 * httpx.ConnectTimeout) // dials that nobody waits for any more
		server.Close()
	})
	transport := httpx.NewTransport()
	transport.DialContext = network.Dial
	return New(testIssuer, "test-client", transport)
}

// mustDiscover is for what needs the endpoints to be known.
func (b *bubble) mustDiscover() {
	b.Helper()
	if _, err := b.Discover(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// pass moves the bubble's clock.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
