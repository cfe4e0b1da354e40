//go:build system && unix

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// front is the proxy before oidc-provider: it counts refreshes, loses what it is
// told to, and shows other keys.
type front struct {
	t       *testing.T
	address string
	server  *http.Server

	mu        sync.Mutex // guards what follows
	behind    *url.URL   // oidc-provider, once it runs
	refreshes int        // requests with a refresh token
	held      *held      // the next of them, if anybody waits for it
	keys      []byte     // the key set, where it is not the provider's own
}

// held is one refresh that is stopped on its way.
type held struct {
	answer  bool          // the answer is stopped: the provider has rotated. Else the request is
	arrived chan struct{} // closed when it is there
	goesOn  chan bool     // false: it is lost
}

func newFront(t *testing.T) *front {
	t.Helper()
	f := &front{t: t, address: "127.0.0.1:0"}
	f.up()
	t.Cleanup(func() { f.server.Close() })
	return f
}

// up takes the same port again.
func (f *front) up() {
	f.t.Helper()
	var listener net.Listener
	var err error
	testkit.Eventually(f.t, "its port is free, of programs that are being started, too", func() bool {
		listener, err = net.Listen("tcp", f.address)
		return !errors.Is(err, syscall.EADDRINUSE)
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.address, f.server = listener.Addr().String(), &http.Server{Handler: f, ReadHeaderTimeout: testkit.Patience}
	go f.server.Serve(listener)
}

// down refuses connections from now on; what has come through is answered, so that
// no rotation is lost.
func (f *front) down() {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
	defer cancel()
	if err := f.server.Shutdown(ctx); err != nil {
		f.t.Error(err)
	}
}

func (f *front) hold(answer bool) *held {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = &held{answer: answer, arrived: make(chan struct{}), goesOn: make(chan bool)}
	return f.held
}

func (f *front) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refreshes
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, keys, behind := f.note(r)
	if keys != nil {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Write(keys)
		return
	}
	if h != nil && !h.answer && !h.wait() {
		panic(http.ErrAbortHandler)
	}
	pass := &httputil.ReverseProxy{
		Rewrite: func(out *httputil.ProxyRequest) {
			out.SetURL(behind)
			out.Out.Host = r.Host // by which it names its endpoints
		},
		ModifyResponse: func(*http.Response) error {
			if h != nil && h.answer && !h.wait() {
				panic(http.ErrAbortHandler)
			}
			return nil
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	pass.ServeHTTP(w, r)
}

// note counts a request, and says what becomes of it.
func (f *front) note(r *http.Request) (h *held, keys []byte, behind *url.URL) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.URL.Path == "/jwks" {
		return nil, f.keys, f.behind
	}
	if form, _ := url.ParseQuery(string(body)); r.URL.Path == "/token" && form.Get("grant_type") == "refresh_token" {
		f.refreshes++
		h, f.held = f.held, nil
	}
	return h, nil, f.behind
}

func (h *held) wait() (goesOn bool) {
	close(h.arrived)
	return <-h.goesOn
}

// key is one public key of a set (RFC 7517).
type key map[string]any

// published is the set as the provider has it now.
func (f *front) published() (set []key) {
	f.t.Helper()
	f.mu.Lock()
	address := f.behind.String() + "/jwks"
	f.mu.Unlock()
	resp, err := http.Get(address)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	var all struct{ Keys []key }
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		f.t.Fatal(err)
	}
	return all.Keys
}

// publish shows that set instead, whatever the provider signs with; none: its own.
func (f *front) publish(set ...key) {
	f.t.Helper()
	var data []byte
	if len(set) > 0 {
		var err error
		if data, err = json.Marshal(map[string][]key{"keys": set}); err != nil {
			f.t.Fatal(err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys = data
}
