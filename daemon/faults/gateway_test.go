//go:build linux && system

package faults

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
)

// gateway stands between a daemon and its issuer, as a firm's proxy, a hotel's portal or a
// load balancer does. In fine weather it passes everything on. The issuer names itself by the
// gateway's address.
type gateway struct {
	address string
	listens net.Listener
	behind  http.Handler // the issuer

	mu        sync.Mutex
	weather   *weather        // nil: fine
	moved     string          // "/moved-3": below it are the issuer's endpoints now
	endpoints map[string]bool // their paths at the issuer itself
	keys      []byte          // shown instead of the issuer's keys
	seen      []sighting      // of the token endpoint
	asked     map[string]int  // requests of all, by path
}

// sighting is one request that had a refresh token in it.
type sighting struct {
	from, to time.Time
	token    [sha256.Size]byte
	granted  bool          // the issuer said yes, and the client has its answer
	lost     bool          // the client has no answer, or one of status 200 that grants nothing: what the issuer said is not known
	after    time.Duration // Retry-After
}

// weather is what becomes of requests for a while.
type weather struct {
	name  string
	meet  func(w http.ResponseWriter, r *http.Request, issuer *httptest.ResponseRecorder) // nil: it is passed on
	sends bool                                                                            // the issuer gets the request first
	begin func(g *gateway)                                                                // what changes besides
}

const discoveryPath = "/.well-known/openid-configuration"

func newGateway(t *testing.T) *gateway {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	t.Cleanup(func() { l.Close() })
	return &gateway{address: l.Addr().String(), listens: l, endpoints: map[string]bool{}, asked: map[string]int{}}
}

// open has it answer from now on. Who has asked before is answered, too.
func (g *gateway) open(t *testing.T, issuer http.Handler) {
	g.behind = issuer
	server := &http.Server{Handler: g, ReadHeaderTimeout: testkit.Patience}
	go server.Serve(g.listens)
	t.Cleanup(func() { server.Close() })
}

func (g *gateway) turn(w *weather) {
	if w != nil && w.begin != nil {
		w.begin(g)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.weather = w
	if w == nil {
		g.keys = nil
	}
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	form, _ := url.ParseQuery(string(body))
	reply := &replyWatch{ResponseWriter: w}
	if form.Get("grant_type") == "refresh_token" {
		s := sighting{from: time.Now(), token: sha256.Sum256([]byte(form.Get("refresh_token")))}
		defer func() {
			s.to, s.granted, s.after = time.Now(), reply.granted && r.Context().Err() == nil, retryAfter(reply.Header())
			s.lost = reply.status == 0 || reply.status == http.StatusOK && !s.granted || r.Context().Err() != nil
			g.mu.Lock()
			defer g.mu.Unlock()
			g.seen = append(g.seen, s)
		}()
	}
	g.serve(reply, r)
}

func (g *gateway) serve(w *replyWatch, r *http.Request) {
	g.mu.Lock()
	weather, moved, keys, known := g.weather, g.moved, g.keys, g.endpoints[r.URL.Path]
	g.asked[r.URL.Path]++
	g.mu.Unlock()
	if weather != nil && weather.meet != nil && !weather.sends {
		weather.meet(w, r, nil)
		return
	}
	path, there := strings.CutPrefix(r.URL.Path, moved)
	if moved != "" && known || !there && strings.HasPrefix(r.URL.Path, "/moved-") {
		page(http.StatusNotFound).meet(w, r, nil)
		return
	}
	if there {
		r.URL.Path = path
	}
	if keys != nil && g.isKeys(path) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(keys)
		return
	}
	answer := httptest.NewRecorder()
	g.behind.ServeHTTP(answer, r)
	if strings.HasSuffix(path, discoveryPath) {
		g.name(answer, moved)
	}
	w.granted = answer.Code == http.StatusOK
	if weather != nil && weather.sends {
		weather.meet(w, r, answer)
		return
	}
	passOn(w, answer, answer.Body.Bytes())
}

// isKeys says whether that is where the issuer has its keys.
func (g *gateway) isKeys(path string) bool {
	return strings.HasSuffix(path, "/keys") || strings.HasSuffix(path, "jwks") || strings.HasSuffix(path, "jwks.json")
}

// name has a discovery document name the endpoints where they are now.
func (g *gateway) name(answer *httptest.ResponseRecorder, moved string) {
	var document map[string]any
	if json.Unmarshal(answer.Body.Bytes(), &document) != nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, member := range []string{"token_endpoint", "revocation_endpoint", "jwks_uri"} {
		text, _ := document[member].(string)
		if u, err := url.Parse(text); err == nil && text != "" {
			g.endpoints[u.Path] = true
			u.Path = moved + u.Path
			document[member] = u.String()
		}
	}
	data, _ := json.Marshal(document)
	answer.Body.Reset()
	answer.Body.Write(data)
	answer.Header().Del("Content-Length")
}

func passOn(w http.ResponseWriter, answer *httptest.ResponseRecorder, body []byte) {
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	w.Write(body)
}

// replyWatch knows what was answered.
type replyWatch struct {
	http.ResponseWriter
	status  int // 0: nothing yet
	granted bool
}

func (r *replyWatch) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *replyWatch) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

func (r *replyWatch) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func retryAfter(h http.Header) time.Duration {
	seconds, err := time.ParseDuration(h.Get("Retry-After") + "s")
	if err != nil {
		return 0
	}
	return seconds
}

// published reads the issuer's keys past the gateway.
func (g *gateway) published() []byte {
	g.mu.Lock()
	var path string
	for p := range g.endpoints {
		if g.isKeys(p) {
			path = p
		}
	}
	g.mu.Unlock()
	answer := httptest.NewRecorder()
	g.behind.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, fmt.Sprintf("http://%s%s", g.address, path), nil))
	return answer.Body.Bytes()
}

func (g *gateway) show(keys []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keys = keys
}

// sightings are all so far, in the order in which they ended.
func (g *gateway) sightings() []sighting {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]sighting(nil), g.seen...)
}
