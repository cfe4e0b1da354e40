package httpx

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// R6: each request has a connection of its own, by HTTP/1.1, whatever the server offers;
// where that ends without an answer nothing is sent again.
func TestR6OneRequestIsOneRequest(t *testing.T) {
	var connections, requests atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.ProtoMajor != 1 {
			t.Errorf("it speaks %s", r.Proto)
		}
		if r.URL.Path == "/lost" {
			panic(http.ErrAbortHandler)
		}
	}))
	server.EnableHTTP2 = true
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.StartTLS()
	defer server.Close()
	transport := NewTransport()
	transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	transport.TLSClientConfig.NextProtos = nil
	client := Client(transport)
	for _, path := range []string{"/", "/", "/lost"} {
		// A GET, which net/http would send again where it can.
		resp, err := client.Get(server.URL + path)
		if err == nil {
			resp.Body.Close()
		}
		if path == "/lost" {
			if err == nil {
				t.Error("there was an answer")
			} else if got := Describe(err); got != "the connection was closed" {
				t.Errorf("it is called %q", got)
			}
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if c, r := connections.Load(), requests.Load(); c != 3 || r != 3 {
		t.Errorf("%d connections and %d requests, want 3 of each", c, r)
	}
}

// R13: a redirect is an answer, and not followed with what the request carries.
func TestR13NoRedirectIsFollowed(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	resp, err := Client(NewTransport()).Post(server.URL, "text/plain", strings.NewReader("a secret"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusTemporaryRedirect || elsewhere.Load() != 0 {
		t.Errorf("status %d, and %d requests elsewhere", resp.StatusCode, elsewhere.Load())
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.1.2.3": true, "::1": true,
		"localhost.example.com": false, "127.0.0.1.example.com": false, "0.0.0.0": false, "192.168.0.1": false, "": false, "fal.ai": false,
	} {
		if got := Loopback(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}
