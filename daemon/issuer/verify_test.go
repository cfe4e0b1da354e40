package issuer

import (
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/testkit"
)

// R10: what an ID token is worth, by its claims, its signature and its chain.
func TestJudge_R10(t *testing.T) {
	now := time.Now()
	ours := chain{issuer: "https://issuer.test", client: "falcred", subject: "ann"}
	first := ours
	first.subject = ""
	unsigned := errors.New("no key verifies it")
	for _, row := range []struct {
		what           string
		header, claims map[string]any // changes to what is right
		unsigned       error
		chain          chain
		want           string
	}{
		{what: "right", want: "verified"},
		{what: "right, the first of its chain", chain: first, want: "verified"},
		{what: "several audiences", claims: map[string]any{"aud": []string{"other", "falcred"}}, want: "verified"},
		{what: "no times", claims: map[string]any{"iat": nil, "exp": nil}, want: "verified"},
		{what: "odd times", claims: map[string]any{"iat": "now", "exp": -5}, want: "verified"},
		{what: "no key verifies it", unsigned: unsigned, want: "doubt"},
		{what: "an algorithm of tomorrow", header: map[string]any{"alg": "ML-DSA-65"}, unsigned: unsigned, want: "doubt"},
		{what: "no algorithm", header: map[string]any{"alg": nil}, unsigned: unsigned, want: "doubt"},
		{what: "our clock is behind", claims: map[string]any{"iat": now.Add(time.Hour).Unix()}, want: "doubt"},
		{what: "our clock is ahead", claims: map[string]any{"exp": now.Add(-time.Hour).Unix()}, want: "doubt"},
		{what: "our clock is a little off", claims: map[string]any{"iat": now.Add(20 * time.Second).Unix(), "exp": now.Add(-20 * time.Second).Unix()}, want: "verified"},
		{what: "another issuer", claims: map[string]any{"iss": "https://other.test"}, want: "wrong"},
		{what: "an issuer with a slash", claims: map[string]any{"iss": "https://issuer.test/"}, want: "wrong"},
		{what: "no issuer", claims: map[string]any{"iss": nil}, want: "wrong"},
		{what: "its issuer is a number", claims: map[string]any{"iss": 5}, want: "wrong"},
		{what: "its issuer in capitals", claims: map[string]any{"iss": nil, "ISS": "https://issuer.test"}, want: "wrong"},
		{what: "another client", claims: map[string]any{"aud": "other"}, want: "wrong"},
		{what: "no client", claims: map[string]any{"aud": []any{}}, want: "wrong"},
		{what: "a list that is none", claims: map[string]any{"aud": []any{5, "falcred"}}, want: "wrong"},
		{what: "another account", claims: map[string]any{"sub": "eve"}, want: "wrong"},
		{what: "no account in a chain that has one", claims: map[string]any{"sub": nil}, want: "wrong"},
		{what: "another account, the first of its chain", claims: map[string]any{"sub": "eve"}, chain: first, want: "verified"},
		{what: "another issuer, and no key verifies it", claims: map[string]any{"iss": "https://other.test"}, unsigned: unsigned, want: "wrong"},
		{what: "another client, and no key verifies it", claims: map[string]any{"aud": "other"}, unsigned: unsigned, want: "wrong"},
		{what: "another account, and no key verifies it", claims: map[string]any{"sub": "eve"}, unsigned: unsigned, want: "wrong"},
		{what: "signed by nobody", header: map[string]any{"alg": "none"}, want: "wrong"},
		{what: "signed by nObOdY", header: map[string]any{"alg": "nOnE"}, want: "wrong"},
		{what: "HMAC", header: map[string]any{"alg": "HS256"}, want: "wrong"},
		{what: "HMAC, long", header: map[string]any{"alg": "HS512"}, unsigned: unsigned, want: "wrong"},
	} {
		header := map[string]any{"alg": "RS256", "kid": "k"}
		claims := map[string]any{"iss": ours.issuer, "aud": "falcred", "sub": "ann", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
		for name, value := range row.header {
			header[name] = value
		}
		for name, value := range row.claims {
			claims[name] = value
		}
		if row.chain == (chain{}) {
			row.chain = ours
		}
		raw := testkit.JWT(header, claims, func(string) []byte { return nil })
		if v := judge(parseIDToken(raw, now), row.unsigned, row.chain); standing(v) != row.want {
			t.Errorf("%s: %s (%v, %v), want %s", row.what, standing(v), v.Wrong, v.Doubt, row.want)
		}
	}
	for _, raw := range []string{"x", "..", "a.b.c", "e30.bnVsbA.", "e30.W10.", "e30.e30", "a.b.c.d.e"} {
		if v := judge(parseIDToken(raw, now), unsigned, ours); standing(v) != "doubt" || v.Subject() != "" {
			t.Errorf("%q: %s, want doubt: it says nothing", raw, standing(v))
		}
	}
}

// R10: a clock that was wrong when an ID token came, and was put right since, leaves no
// doubt: how long ago that was is known by the other clock.
func TestTimesAfterTheClockWasSet_R10(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		came  time.Time // by the clock of then
		doubt bool
	}{
		"it was behind":              {moved(now, -3600), false},
		"it was ahead":               {moved(now, 7200), false},
		"the token is of the future": {now, true},
	} {
		valid := now.Round(0)
		if c.doubt {
			valid = valid.Add(time.Hour)
		}
		token := IDToken{arrived: c.came, issued: valid, expires: valid.Add(time.Hour)}
		if token.timely() == c.doubt {
			t.Errorf("%s: in doubt is %v", name, !c.doubt)
		}
	}
}

// moved is a moment whose wall clock was set. Nothing but the system makes those, so this
// goes by how package time has both clocks: seconds of the wall's stand above 30 bits of
// nanoseconds.
func moved(t time.Time, seconds int) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) += uint64(seconds) << 30 // #nosec G103 G115 -- as said
	return t
}

func standing(v Verdict) string {
	switch {
	case v.Wrong != nil:
		return "wrong"
	case v.Doubt != nil:
		return "doubt"
	}
	return "verified"
}

// realIssuer is a provider on a real connection, and its client.
func realIssuer(t *testing.T, cfg idp.Config) (*idp.Server, *Provider) {
	t.Helper()
	s := testkit.StartIssuer(t, cfg)
	p := New(s.URL, "test-client", nil)
	if _, err := p.Discover(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, p
}

func (p *Provider) judgeNow(raw string) Verdict {
	return p.Verify(context.Background(), parseIDToken(raw, time.Now()), "")
}

// forgetKeys has the next verification fetch a set.
func (p *Provider) forgetKeys() { p.found.Load().keys.last.Store(nil) }

// R10: each asymmetric algorithm that go-oidc knows verifies, for every issuer,
// also where the issuer moves from one to the next, and beside odd keys.
func TestEveryAlgorithm_R10(t *testing.T) {
	t.Parallel()
	s, p := realIssuer(t, idp.Config{OddKeys: oddKeys()})
	for _, algorithm := range asymmetric {
		s.SetConfig(func(c *idp.Config) { c.Algorithm = algorithm })
		p.forgetKeys()
		_, _, raw := s.Login("ann")
		v := p.judgeNow(raw)
		if !v.Verified() || v.Subject() != "ann" || v.Token.Algorithm != algorithm {
			t.Errorf("%s: %v, %v", algorithm, v.Wrong, v.Doubt)
		}
		p.forgetKeys()
		if v := p.judgeNow(raw[:len(raw)-8] + "AAAAAAAA"); standing(v) != "doubt" || v.Subject() != "" {
			t.Errorf("%s, spoilt: %s", algorithm, standing(v))
		}
	}
}

// R10: one fetch for a verification at most, none where the named key is here,
// and what comes within a second shares one.
func TestKeySetIsKept_R10(t *testing.T) {
	inBubble(t, idp.Config{}, func(b *bubble) {
		b.mustDiscover()
		_, _, raw := b.idp.Login("ann")
		for range 3 {
			if v := b.judgeNow(raw); !v.Verified() {
				t.Fatal(v.Doubt)
			}
			pass(time.Minute)
		}
		if n := b.asked.Load(); n != 1 {
			t.Errorf("%d fetches for a key that is known", n)
		}
		for range 5 {
			if v := b.judgeNow(raw[:len(raw)-8] + "AAAAAAAA"); standing(v) != "doubt" {
				t.Fatal(standing(v))
			}
		}
		if n := b.asked.Load(); n != 2 {
			t.Errorf("%d fetches, want one more for all that no key verifies in one moment", n)
		}
		for _, raw := range []string{"a.b.c", testkit.JWT(map[string]any{"alg": "none"}, nil, func(string) []byte { return nil })} {
			pass(time.Minute)
			b.judgeNow(raw)
		}
		if n := b.asked.Load(); n != 2 {
			t.Errorf("%d fetches: keys were asked for, and no key can help", n)
		}
	})
}

// R10: the public key as HMAC's secret is the oldest trick.
func TestPublicKeyAsSecret_R10(t *testing.T) {
	s, p := realIssuer(t, idp.Config{})
	_, _, raw := s.Login("ann")
	if v := p.judgeNow(raw); !v.Verified() {
		t.Fatal(v.Doubt)
	}
	resp, err := http.Get(s.URL + "/.well-known/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	set, _ := io.ReadAll(resp.Body)
	for _, algorithm := range []string{"HS256", "HS384", "none"} {
		reply := map[string]any{"id_token": raw}
		testkit.SignedBy(algorithm, set).Mutate(reply)
		if v := p.judgeNow(reply["id_token"].(string)); standing(v) != "wrong" {
			t.Errorf("%s: %s", algorithm, standing(v))
		}
	}
}

// oddKeys are what issuers publish beside good keys, and worse.
func oddKeys() []any {
	huge := base64.RawURLEncoding.EncodeToString(new(big.Int).SetBit(big.NewInt(1), 65536, 1).Bytes())
	return []any{
		nil, 5, "key", []any{}, map[string]any{},
		map[string]any{"kty": "EC", "crv": "secp256k1", "use": "sig", "x": "WbbXwVYGdJoP4Xm3qCkGvBRcRvKtEfXbPWPvqPNZvH0", "y": "UU2AfmyX1rDAnBa8QeBmyPyiWpGRqx8h-IWiKbFWYu0"},
		map[string]any{"kty": "RSA", "use": "sig", "n": "AQAB", "e": "AQAB"},
		map[string]any{"kty": "RSA", "use": "sig", "n": huge, "e": "AQAB"},
		map[string]any{"kty": "RSA", "use": "sig", "n": huge[:400], "e": huge},
		map[string]any{"kty": "RSA", "n": 5, "e": []any{}},
		map[string]any{"kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB"},
		map[string]any{"kty": "EC", "crv": "P-256", "x": huge, "y": huge},
		map[string]any{"kty": "EC", "crv": "P-256"},
		map[string]any{"kty": "OKP", "crv": "Ed448", "x": "AQAB"},
		map[string]any{"kty": "OKP", "crv": "Ed25519", "x": "AQAB"},
		map[string]any{"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"},
		map[string]any{"kty": "AKP", "alg": "ML-DSA-65", "pub": "AQAB"},
		map[string]any{"kty": 7, "kid": map[string]any{"a": 1}, "x5c": "none"},
	}
}

// R10: an odd key spoils no other, and what is odd beside a good key spoils
// not even that one.
func TestKeySetParsedKeyByKey_R10(t *testing.T) {
	s, _ := realIssuer(t, idp.Config{Algorithm: "ES256"})
	good := func() map[string]any {
		resp, err := http.Get(s.URL + "/.well-known/jwks.json")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var set struct{ Keys []map[string]any }
		if err := json.NewDecoder(resp.Body).Decode(&set); err != nil {
			t.Fatal(err)
		}
		return set.Keys[0]
	}
	parse := func(keys ...any) []publicKey {
		data, err := json.Marshal(map[string]any{"before": []any{1}, "keys": keys, "after": "x"})
		if err != nil {
			t.Fatal(err)
		}
		found, err := parseKeySet(strings.NewReader(string(data)))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for _, odd := range oddKeys() {
		if found := parse(odd, good(), odd); len(found) != 1 || !found[0].fits("ES256") || found[0].fits("ES384") || found[0].fits("RS256") {
			t.Errorf("%v beside a good key: %d keys", odd, len(found))
		}
	}
	if found := parse(append(oddKeys(), good())...); len(found) != 1 {
		t.Errorf("all of them beside a good key: %d keys", len(found))
	}
	for name, value := range map[string]any{
		"x5c": []any{""}, "x5t": "?", "x5t#S256": 5, "x5u": "::", "kid": 7, "alg": "ES256K", "use": "sig", "key_ops": "verify",
		"x": good()["x"].(string) + "=", "y": strings.NewReplacer("-", "+", "_", "/").Replace(good()["y"].(string)),
	} {
		k := good()
		k[name] = value
		if found := parse(k); len(found) != 1 {
			t.Errorf("a good key whose %s is %v is not used", name, value)
		}
	}
	for name, value := range map[string]any{"d": "AQAB", "use": "enc", "y": good()["x"], "crv": "P-384", "kty": "RSA"} {
		k := good()
		k[name] = value
		if found := parse(k); len(found) != 0 {
			t.Errorf("a key whose %s is %v is used", name, value)
		}
	}
	for _, none := range []string{"", "null", "[]", "{}", `{"keys":5}`, `{"keys":null}`, `{"keys":[`, `{"keys":[{`, `<html>`, `{"a":`, "\x00"} {
		if found, err := parseKeySet(strings.NewReader(none)); err == nil || len(found) != 0 {
			t.Errorf("%q is a key set", none)
		}
	}
	if found, err := parseKeySet(strings.NewReader(`{"keys":[]}`)); err != nil || len(found) != 0 {
		t.Errorf("an empty set: %v", err)
	}
}

// R10: whatever an issuer sends as key set or discovery document, it costs a few
// MiB at most, and 5 s. What came whole of a set that is too long counts.
func TestIssuersDocumentsAreCapped_R10(t *testing.T) {
	s, p := realIssuer(t, idp.Config{})
	_, _, raw := s.Login("ann")
	resp, err := http.Get(s.URL + "/.well-known/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	set, _ := io.ReadAll(resp.Body)
	goodKey := strings.TrimSuffix(strings.TrimPrefix(string(set), `{"keys":[`), "]}")
	padded := `{"kty":"RSA","n":"AQAB","e":"AQAB","x":"` + strings.Repeat("x", 8<<10) + `"},`
	flood := func(w io.Writer, first, last string) {
		io.WriteString(w, `{"keys":[`+first)
		for range 20_000 {
			if _, err := io.WriteString(w, padded); err != nil {
				return
			}
		}
		io.WriteString(w, last+"]}")
	}
	bomb := bombOf(64 << 20)
	for _, row := range []struct {
		what   string
		answer http.HandlerFunc
		want   string
	}{
		{"20,000 padded keys", func(w http.ResponseWriter, _ *http.Request) { flood(w, "", goodKey) }, "doubt"},
		{"20,000 padded keys after a good one", func(w http.ResponseWriter, _ *http.Request) { flood(w, goodKey+",", `{}`) }, "verified"},
		{"a gzip bomb", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb)
		}, "doubt"},
		{"a redirect to the right set", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, s.URL+"/.well-known/jwks.json", http.StatusFound)
		}, "doubt"},
		{"the right set with another status", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			w.Write(set)
		}, "doubt"},
	} {
		server := httptest.NewServer(row.answer)
		p.know(Endpoints{Keys: server.URL})
		var v Verdict
		used := allocated(func() { v = p.judgeNow(raw) })
		server.Close()
		if standing(v) != row.want || used > 4<<20 {
			t.Errorf("%s: %s (%v), want %s; %d bytes were allocated", row.what, standing(v), v.Doubt, row.want, used)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(bomb)
	}))
	defer server.Close()
	used := allocated(func() { _, err = New(server.URL, "test-client", nil).Discover(t.Context()) })
	if err == nil || used > 4<<20 {
		t.Errorf("discovery: %v; %d bytes were allocated", err, used)
	}
}

func bombOf(size int) []byte {
	var packed strings.Builder
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	io.WriteString(z, `{"keys":["`)
	for piece := []byte(strings.Repeat("x", 1<<20)); size > 0; size -= len(piece) {
		z.Write(piece)
	}
	io.WriteString(z, `"]}`)
	z.Close()
	return []byte(packed.String())
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// R10: keys that do not come cost 5 s, and a doubt.
func TestKeysThatDoNotCome_R10(t *testing.T) {
	inBubble(t, idp.Config{}, func(b *bubble) {
		b.mustDiscover()
		_, _, raw := b.idp.Login("ann")
		b.keySet = func(rw http.ResponseWriter, r *http.Request) {
			fmt.Fprint(rw, `{"keys":[`)
			http.NewResponseController(rw).Flush()
			<-r.Context().Done()
		}
		began := time.Now()
		if v := b.judgeNow(raw); standing(v) != "doubt" || time.Since(began) != httpx.SideTimeout {
			t.Errorf("%s (%v) after %s", standing(v), v.Doubt, time.Since(began))
		}
	})
}

// R10: verifications that come together share one set, also one that does not come; who
// leaves does not wait for it.
func TestVerificationsTogether_R10(t *testing.T) {
	inBubble(t, idp.Config{}, func(b *bubble) {
		b.mustDiscover()
		_, _, raw := b.idp.Login("ann")
		release := make(chan struct{})
		b.keySet = func(rw http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
				b.idp.ServeHTTP(rw, r)
			case <-r.Context().Done():
			}
		}
		together := func(want string, took time.Duration) {
			b.Helper()
			began := time.Now()
			var callers sync.WaitGroup
			for range 4 {
				callers.Go(func() {
					if v := b.judgeNow(raw); standing(v) != want || time.Since(began) != took {
						t.Errorf("%s (%v) after %s", standing(v), v.Doubt, time.Since(began))
					}
				})
			}
			synctest.Wait()
			ctx, leave := context.WithCancel(b.Context())
			leave()
			v := b.Verify(ctx, parseIDToken(raw, time.Now()), "")
			if standing(v) != "doubt" || v.Doubt.Error() != "the issuer's keys could not be fetched: it was cancelled" || time.Since(began) != 0 {
				t.Errorf("who has left: %s (%v) after %s", standing(v), v.Doubt, time.Since(began))
			}
			if took == 0 {
				close(release)
			}
			callers.Wait()
		}
		together("doubt", httpx.SideTimeout)
		asked := b.asked.Load()
		together("verified", 0)
		if n := b.asked.Load() - asked; n != 1 {
			t.Errorf("%d fetches for verifications that came together", n)
		}
	})
}

// A key set, whole or cut: never a panic, never an unusable key, and what a cut
// one still gives, the whole one gives too.
func FuzzKeySet(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},null]}`), 90)
	for _, odd := range oddKeys() {
		data, _ := json.Marshal(map[string]any{"keys": []any{odd}})
		f.Add(data, len(data)/2)
	}
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		whole, _ := parseKeySet(strings.NewReader(string(data)))
		for _, k := range whole {
			if !slices.ContainsFunc(asymmetric, k.fits) {
				t.Fatalf("a %T fits no algorithm", k.key)
			}
		}
		if cut < 0 || cut > len(data) {
			return
		}
		if part, _ := parseKeySet(strings.NewReader(string(data[:cut]))); len(part) > len(whole) {
			t.Fatalf("%d keys of a part, %d of the whole", len(part), len(whole))
		}
	})
}

// An ID token that nobody signed is never verified, whatever it says.
func FuzzIDToken(f *testing.F) {
	f.Add("e30.eyJpc3MiOiJpIiwiYXVkIjoiYyIsInN1YiI6InMifQ.")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(`{"payload":"e30","signatures":[]}`)
	p := New("https://issuer.test", "c", nil)
	p.know(Endpoints{})
	f.Fuzz(func(t *testing.T, raw string) {
		if v := p.judgeNow(raw); v.Verified() || v.Subject() != "" {
			t.Fatalf("%q is verified", raw)
		}
	})
}
