//go:build linux && system

package faults

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/testkit/providers"
	"github.com/falcred/falcred/protocol"
)

// weatherLife is how long access tokens live here: each is refreshed at half of it.
const weatherLife = 12 * time.Second

// weatherOverlap is the issuers' own: an answer that is lost can be had again.
const weatherOverlap = 2 * time.Minute

// wellAgain is how soon after the last fault all must be well again.
const wellAgain = 2 * time.Minute

// page is what a proxy, a portal or a load balancer says.
func page(status int) weather {
	const text = "<!doctype html><title>Sorry</title><p>Please sign in to the network."
	return said("text/html", status, text, nil)
}

func said(kind string, status int, body string, header http.Header) weather {
	return weather{name: "pages", meet: func(w http.ResponseWriter, _ *http.Request, _ *httptest.ResponseRecorder) {
		for name, values := range header {
			w.Header()[name] = values
		}
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}}
}

// patience is a Retry-After.
func patience(status int, seconds int) weather {
	w := said("text/plain", status, "later", http.Header{"Retry-After": {fmt.Sprint(seconds)}})
	w.name = "Retry-After"
	return w
}

// nothing ends the connection; it says nothing, or hangs until the client leaves.
func nothing(hangs bool) weather {
	return weather{name: "no answer", meet: func(_ http.ResponseWriter, r *http.Request, _ *httptest.ResponseRecorder) {
		if hangs {
			<-r.Context().Done()
		}
		panic(http.ErrAbortHandler)
	}}
}

// slow sends an answer in pieces, the last of them after that time.
func slow(d time.Duration) weather {
	return weather{name: "slow bodies", sends: true, meet: func(w http.ResponseWriter, r *http.Request, answer *httptest.ResponseRecorder) {
		body := answer.Body.Bytes()
		const pieces = 20
		passOn(w, answer, nil)
		for i := range pieces {
			w.Write(body[i*len(body)/pieces : (i+1)*len(body)/pieces])
			http.NewResponseController(w).Flush()
			select {
			case <-time.After(d / pieces):
			case <-r.Context().Done():
				panic(http.ErrAbortHandler)
			}
		}
	}}
}

// eaten is an answer that the issuer gave and nobody got; cut came half.
func eaten(cut bool) weather {
	return weather{name: "lost answers", sends: true, meet: func(w http.ResponseWriter, _ *http.Request, answer *httptest.ResponseRecorder) {
		if cut {
			w.Header().Set("Content-Length", fmt.Sprint(answer.Body.Len()))
			passOn(w, answer, answer.Body.Bytes()[:answer.Body.Len()/2])
			http.NewResponseController(w).Flush()
		}
		panic(http.ErrAbortHandler)
	}}
}

// climate is a provider behind a gateway, and what can happen there.
type climate struct {
	*scene
	gateway *gateway
	approve func(name, value string) // what a person does about a line of `falcred login`
	rotate  func()                   // the issuer signs with another key from now on; nil: it cannot be told to
	reused  func() int               // used refresh tokens that it was sent
	moves   int
}

func (c *climate) kinds() []weather {
	all := []weather{
		page(200), page(403), page(404), page(405), page(408), page(407), page(421), page(451), page(500), page(502), page(503), page(504),
		said("text/plain", 302, "", http.Header{"Location": {"http://" + c.gateway.address + "/portal"}}),
		said("text/plain", 307, "", http.Header{"Location": {"http://" + c.gateway.address + "/portal"}}),
		said("application/json", 403, `{"error":"Forbidden","message":"blocked by policy"}`, nil),
		said("application/json", 401, `{"message":"Unauthorized"}`, nil),
		said("application/json", 400, `{"error":{"code":400,"message":"Bad Request"}}`, nil),
		said("application/json", 200, `{}`, nil),
		patience(429, 20), patience(503, 45), patience(429, 75),
		nothing(false), nothing(true),
		slow(3 * time.Second), slow(9 * time.Second), eaten(false), eaten(true),
		{name: "moved endpoints", begin: c.move},
		{name: "wrong keys", begin: func(g *gateway) { g.show([]byte(`{"keys":[]}`)) }},
		{name: "wrong keys", begin: func(g *gateway) {
			g.show([]byte(`{"keys":[{"kty":"RSA","kid":"first","n":"AQAB","e":"AQAB"},null,{}]}`))
		}},
		{name: "wrong keys", begin: func(g *gateway) { g.show([]byte(`<html>`)) }},
	}
	if c.rotate != nil {
		all = append(all, weather{name: "keys that lag", begin: func(g *gateway) { g.show(g.published()); c.rotate() }})
	}
	return all
}

// move is for good: the old addresses say 404 from now on.
func (c *climate) move(g *gateway) {
	c.moves++
	g.mu.Lock()
	defer g.mu.Unlock()
	g.moved = fmt.Sprintf("/moved-%d", c.moves)
}

// R7, R8, R9, R10: one fault of the network after the other, in front of providers of which two
// are others': no login is lost, all is well again two minutes after each, and the issuer is asked no
// faster than is allowed.
func TestWeather(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	for name, begin := range map[string]func(*testing.T) *climate{
		"oidc-provider": foreignClimate, "dex": dexClimate, "our own provider": ownClimate,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := begin(t)
			c.signIn()
			c.serve()
			c.Logf("the seed is %d", seed)
			c.endure(name, rand.New(rand.NewPCG(seed, 0)), testkit.Long(90*time.Second, time.Hour))
		})
	}
}

func newClimate(t *testing.T, path string) *climate {
	g := newGateway(t)
	c := &climate{gateway: g, scene: &scene{House: testkit.NewHouseOf(t, "http://"+g.address+path), bin: falcred, web: http.DefaultClient}}
	c.approve, c.reused = func(string, string) {}, func() int { return 0 }
	return c
}

func ownClimate(t *testing.T) *climate {
	c := newClimate(t, "")
	p, err := idp.New(c.Issuer, idp.Config{Lifetime: weatherLife, Overlap: weatherOverlap, AutoApprove: true, Interval: time.Second})
	c.Must(err)
	c.gateway.open(t, p)
	c.rotate = p.RotateKey
	c.reused = func() int { return p.Stats().ReuseDetections }
	return c
}

func foreignClimate(t *testing.T) *climate {
	c := newClimate(t, "")
	p := providers.StartOIDC(t, c.Issuer)
	c.gateway.open(t, reverse(p.Address))
	p.Order(providers.Order{"lifetime": weatherLife.Seconds(), "grace": weatherOverlap.Milliseconds()})
	c.approve = func(name, value string) {
		if name == "verification_uri_complete" {
			providers.Approve(t, value)
		}
	}
	c.rotate = func() { p.Order(providers.Order{"sign": "ES256", "kid": fmt.Sprint(time.Now().UnixNano())}) }
	c.reused = func() int { return p.Order(providers.Order{}) }
	return c
}

func dexClimate(t *testing.T) *climate {
	c := newClimate(t, "/dex")
	address := providers.FreeAddress(t)
	c.gateway.open(t, reverse(address))
	d := providers.StartDex(t, address, c.Issuer, weatherLife, weatherOverlap)
	c.approve = func(name, value string) {
		if name == "user_code" {
			d.Confirm(value)
		}
	}
	c.More = append(c.More, "FALCRED_CLIENT_ID="+providers.DexClient)
	return c
}

func reverse(address string) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: "http", Host: address})
			p.Out.Host = p.In.Host // by which it names its endpoints
			p.Out.Header.Del("Accept-Encoding")
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
}

// signIn is `falcred login`, and what a person does in a browser.
func (c *climate) signIn() {
	c.Helper()
	cmd := exec.Command(c.bin, "login", "--no-browser")
	cmd.Env = c.Env()
	out, err := cmd.StdoutPipe()
	c.Must(err)
	c.Start(cmd)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		c.approve(name, value)
	}
	if err := testkit.Wait(cmd); err != nil {
		c.Fatalf("login: %v\n%s", err, c.Logged)
	}
}

// endure has one fault after the other come and go, and reports.
func (c *climate) endure(name string, random *rand.Rand, long time.Duration) {
	c.Helper()
	done := make(chan struct{})
	var clients sync.WaitGroup
	defer clients.Wait()
	defer close(done)
	for range 3 {
		clients.Go(func() { c.ask(done) })
	}
	met, slowest := map[string]int{}, time.Duration(0)
	var which []weather
	for until := time.Now().Add(long); time.Now().Before(until) && !c.Failed(); {
		if len(which) == 0 { // each of them before any comes again
			which = c.kinds()
			random.Shuffle(len(which), func(i, j int) { which[i], which[j] = which[j], which[i] })
		}
		w := which[0]
		which = which[1:]
		met[w.name]++
		c.gateway.turn(&w)
		lasts := time.Second + time.Duration(random.Int64N(int64(7*time.Second)))
		if chance := random.IntN(20); !w.sends && chance == 0 { // else the issuer's overlap may end meanwhile
			lasts += time.Minute
		} else if chance < 5 {
			lasts += weatherLife // the token runs out meanwhile
		}
		wait(lasts)
		c.gateway.turn(nil)
		slowest = max(slowest, c.recovers(w.name, time.Now()))
	}
	s := c.state()
	seen := c.gateway.sightings()
	c.judge(seen)
	if n := c.reused(); n != 0 {
		c.Errorf("%d used refresh tokens have reached the issuer", n)
	}
	faults := []string{}
	for _, kind := range slices.Sorted(maps.Keys(met)) {
		faults = append(faults, fmt.Sprintf("%s %d", kind, met[kind]))
	}
	table.Report(c.T, name+" behind a gateway: "+strings.Join(faults, ", "),
		testkit.Count(int(long.Minutes()), "minute")+", "+testkit.Count(s.Refreshes, "rotation")+", "+testkit.Count(len(seen), "request"),
		fmt.Sprintf("0 logins lost, none asked too fast; well again after %s at the latest", slowest.Round(time.Second)))
}

func wait(d time.Duration) { <-time.After(d) }

// recovers is how long after a fault a refresh had succeeded, with nothing left to complain of. The
// time that the gateway has asked for does not count.
func (c *climate) recovers(name string, ended time.Time) time.Duration {
	c.Helper()
	from := ended
	for _, s := range c.gateway.sightings() {
		if until := s.to.Add(s.after); until.After(from) {
			from = until
		}
	}
	var s protocol.Status
	for time.Now().Before(from.Add(wellAgain)) {
		if s = c.state(); s.Refreshed.After(ended) && s.State == protocol.StateLoggedIn && s.LastError == "" && len(s.Warnings) == 0 {
			return max(0, time.Since(from))
		}
		wait(100 * time.Millisecond)
	}
	c.Errorf("%s after %q: %+v", wellAgain, name, s)
	return 0
}

// ask is a client, again and again: what is served has not run out, and what is not is said in words that
// are true.
func (c *climate) ask(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-time.After(200 * time.Millisecond):
		}
		var got protocol.Credential
		err := c.Ask("get "+protocol.DefaultServer, &got)
		var refused *protocol.Error
		switch {
		case err == nil && time.Now().After(got.Expires.Add(time.Second)):
			c.Errorf("a token that has run out at %s is served", got.Expires)
		case errors.As(err, &refused) && refused.Code == protocol.CodeUnavailable, err == nil:
		default:
			c.Errorf("get: %v", err)
		}
	}
}

// judge: one request at a time, none before a Retry-After is over, and the pauses of R7 between
// failures. An answer that was lost, or is a page of status 200, is asked for once more at once.
func (c *climate) judge(seen []sighting) {
	c.Helper()
	slices.SortFunc(seen, func(a, b sighting) int { return a.from.Compare(b.from) })
	floor, replayed := time.Duration(0), false
	for i, s := range seen {
		if i > 0 {
			last := seen[i-1]
			gap := s.from.Sub(last.to)
			replay := last.lost && !replayed && last.token == s.token && gap < 500*time.Millisecond
			replayed = replay
			switch {
			case gap < -time.Second:
				c.Errorf("request %d of %d begins %s before the one before it has ended", i, len(seen), -gap)
			case gap < last.after-time.Second:
				c.Errorf("request %d of %d comes %s after an answer that asked for %s", i, len(seen), gap, last.after)
			case !last.granted && !replay && gap < floor:
				c.Errorf("request %d of %d comes %s after a failure, want %s at least", i, len(seen), gap, floor)
			case last.granted && gap < weatherLife/2-3*time.Second && last.token != s.token:
				c.Errorf("request %d of %d comes %s after a grant", i, len(seen), gap)
			}
			if last.granted {
				floor = 0
			}
			if replay {
				continue
			}
		}
		if !s.granted {
			floor = min(36*time.Second, cmp.Or(floor*3/2, 750*time.Millisecond))
		}
	}
}
