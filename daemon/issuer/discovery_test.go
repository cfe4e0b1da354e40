package issuer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/internal/httpx"
)

// discovers has an issuer answer a request for its discovery document so.
func discovers(t *testing.T, status int, body string) (Endpoints, error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status >= 300 && status < 400 {
			w.Header().Set("Location", "http://secret.example.com/")
		}
		w.WriteHeader(status)
		fmt.Fprint(w, strings.ReplaceAll(body, "URL", "http://"+r.Host))
	}))
	defer server.Close()
	e, err := New(server.URL, "c", nil).Discover(t.Context())
	if err != nil {
		err = fmt.Errorf("%s", strings.ReplaceAll(err.Error(), server.URL, "URL"))
	}
	e.Token = strings.ReplaceAll(e.Token, server.URL, "URL")
	return e, err
}

// R12, R13: what is wrong with a discovery document is named, with what to do, and nothing
// of it is quoted but the name of an issuer; a document that leads elsewhere is not believed.
func TestDiscoveryDocuments_R12R13(t *testing.T) {
	const at = "URL/.well-known/openid-configuration"
	good := func(more string) string {
		return `{"issuer":"URL","token_endpoint":"URL/token","jwks_uri":"URL/keys"` + more + `}`
	}
	for name, c := range map[string]struct {
		status int
		body   string
		want   string // of the error; "" for none
	}{
		"whole":             {200, good(""), ""},
		"odd, where unused": {200, good(`,"authorization_endpoint":5,"id_token_signing_alg_values_supported":"RS256","revocation_endpoint":null,"device_authorization_endpoint":["x"],"userinfo_endpoint":{}`), ""},
		"none":              {404, "secret", "there is no discovery document at " + at + " (status 404)\n" + issuerHint},
		"gone":              {410, "secret", "there is no discovery document at " + at + " (status 410)\n" + issuerHint},
		"elsewhere":         {302, "secret", "discovery at URL failed: something between this machine and it answers: status 302, text/plain\n"},
		"refused":           {403, "secret", "discovery at URL failed: something between this machine and it answers: status 403, text/plain\n"},
		"down":              {503, "secret", "discovery at URL failed: it, or a gateway before it, answers with status 503, text/plain\n"},
		"a page":            {200, "<html>secret", "discovery at URL failed: something between this machine and it answers: status 200, text/html\n"},
		"nothing":           {200, "", "what is at " + at + " is no discovery document: it is no JSON object\n"},
		"null":              {200, "null", "what is at " + at + " is no discovery document: it is no JSON object\n"},
		"a list":            {200, `["secret"]`, "what is at " + at + " is no discovery document: it is no JSON object\n"},
		"cut":               {200, good(`,"`), "what is at " + at + " is no discovery document: it is no JSON object\n"},
		"huge":              {200, good(`,"x":"` + strings.Repeat("x", maxDocument) + `"`), "what is at " + at + " is no discovery document: it has 256 KiB or more\n"},
		"no name":           {200, `{}`, "the discovery document at " + at + " names no issuer\n"},
		"a name of 5":       {200, `{"issuer":5}`, "the discovery document at " + at + " names no issuer\n"},
		"a slash more":      {200, `{"issuer":"URL/"}`, "FALCRED_ISSUER says URL, and the discovery document there says URL/\nif that is the issuer that you mean, set FALCRED_ISSUER=URL/"},
		"another":           {200, `{"issuer":"https://id.example.com"}`, "FALCRED_ISSUER says URL, and the discovery document there says https://id.example.com\nif that"},
		"another, odd":      {200, `{"issuer":"http://secret.example.com"}`, "the discovery document at " + at + " is another issuer's, which is neither https nor"},
		"another, user":     {200, `{"issuer":"https://u:secret@id.example.com"}`, "the discovery document at " + at + " is another issuer's"},
		"another, escape":   {200, `{"issuer":"https://secret.example.com/\u001b[2J"}`, "the discovery document at " + at + " is another issuer's"},
		"another, long":     {200, `{"issuer":"https://secret.example.com/` + strings.Repeat("x", 200) + `"}`, "the discovery document at " + at + " is another issuer's"},
		"no token":          {200, `{"issuer":"URL","jwks_uri":"URL/keys"}`, "the discovery document of URL names no token_endpoint\nask whoever runs it"},
		"a token of 5":      {200, `{"issuer":"URL","jwks_uri":"URL/keys","token_endpoint":5}`, "the discovery document of URL has a token_endpoint that is no text\n"},
		"no keys":           {200, `{"issuer":"URL","token_endpoint":"URL/token"}`, "the discovery document of URL names no jwks_uri\n"},
	} {
		e, err := discovers(t, c.status, c.body)
		switch {
		case (err == nil) != (c.want == ""), err != nil && !strings.HasPrefix(err.Error(), c.want):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: quoted in %v", name, err)
		case err == nil && (e.Token != "URL/token" || e.Revoke != "" || e.Device != ""):
			t.Errorf("%s: %+v", name, e)
		}
	}
	for _, member := range asked {
		for _, address := range []string{"http://secret.example.com/", "https://u:secret@example.com/", "file:///secret", "secret"} {
			document := map[string]string{"issuer": "URL", "token_endpoint": "URL/token", "jwks_uri": "URL/keys"}
			document[member] = address
			body, _ := json.Marshal(document)
			want := "the discovery document of URL names a " + member + " that is neither https nor, like the issuer, on loopback\n"
			if e, err := discovers(t, 200, string(body)); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "secret") || e != (Endpoints{}) {
				t.Errorf("a %s of %s: %+v, %v", member, address, e, err)
			}
		}
	}
}

// movable is an issuer whose endpoints can move.
type movable struct {
	*bubble
	to     string // "" before
	status int    // of the old ones since
	broken bool   // it is unwell since
}

func (m *movable) answer(w http.ResponseWriter, r *http.Request) bool {
	path, moved := strings.CutPrefix(r.URL.Path, m.to)
	switch discovery := strings.HasSuffix(path, "openid-configuration"); {
	case m.to == "":
		return false
	case discovery && m.broken:
		m.discovered.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	case discovery:
		m.discovered.Add(1)
		whole := httptest.NewRecorder()
		m.idp.ServeHTTP(whole, r)
		there := strings.NewReplacer(testIssuer+"/oauth/", testIssuer+m.to+"/oauth/", testIssuer+"/.well-known/jwks", testIssuer+m.to+"/.well-known/jwks")
		fmt.Fprint(w, there.Replace(whole.Body.String()))
	case !moved:
		w.WriteHeader(m.status)
	default:
		r.URL.Path = path
		return false
	}
	return true
}

func inMovableBubble(t *testing.T, f func(m *movable)) {
	t.Helper()
	inBubble(t, idp.Config{Interval: time.Second}, func(b *bubble) {
		m := &movable{bubble: b, status: http.StatusNotFound}
		b.front = m.answer
		b.mustDiscover()
		f(m)
	})
}

// R13, R7: where there is no endpoint any more, discovery is asked again, once a minute at
// most, and what is known stays where that fails. The token is sent once for each request.
func TestEndpointsMove_R13(t *testing.T) {
	for _, status := range []int{301, 302, 307, 404, 405, 410} {
		inMovableBubble(t, func(m *movable) {
			refresh, _, _ := m.idp.Login("ann")
			m.to, m.status = "/moved", status
			pass(time.Hour)
			m.broken = true
			for range 3 { // in a minute, and the issuer is unwell
				if r := m.Refresh(m.Context(), refresh, AnswerTimeout); r.Outcome == Granted || m.idp.Stats().TokenRequests != 0 {
					t.Fatalf("status %d: outcome %d, %d requests", status, r.Outcome, m.idp.Stats().TokenRequests)
				}
				if e, err := m.Discover(m.Context()); err != nil || e.Token != testIssuer+"/oauth/token" {
					t.Errorf("status %d: %+v, %v", status, e, err)
				}
				pass(10 * time.Second)
			}
			if n := m.discovered.Load(); n != 2 {
				t.Errorf("status %d: discovered %d times within a minute, want 2 in all", status, n)
			}
			m.broken = false
			pass(rediscoveryPause)
			if e, err := m.Discover(m.Context()); err != nil || e.Token != testIssuer+"/moved/oauth/token" || m.KeysAt() != testIssuer+"/moved/.well-known/jwks.json" {
				t.Errorf("status %d: %+v, %v", status, e, err)
			}
			if r := m.Refresh(m.Context(), refresh, AnswerTimeout); r.Outcome != Granted || m.idp.Stats().TokenRequests != 1 {
				t.Errorf("status %d: %v, %d requests", status, r.Err, m.idp.Stats().TokenRequests)
			}
			if pass(time.Hour); m.discovered.Load() != 3 {
				t.Errorf("status %d: discovered %d times", status, m.discovered.Load())
			}
		})
	}
}

// R13: what is an answer of the issuer's own, a refusal or an outage of a machine before it,
// moves nothing.
func TestEndpointsStay_R13(t *testing.T) {
	for _, fault := range []idp.Fault{idp.Status(400), idp.Status(401), idp.Status(403), idp.TooMany(""), idp.HTML(500), idp.HTML(502), idp.Lose()} {
		inBubble(t, idp.Config{}, func(b *bubble) {
			b.mustDiscover()
			pass(time.Hour)
			b.idp.Inject(fault)
			refresh, _, _ := b.idp.Login("ann")
			b.Refresh(b.Context(), refresh, AnswerTimeout)
			if b.mustDiscover(); b.discovered.Load() != 1 {
				t.Errorf("%s: discovered %d times", fault.Name, b.discovered.Load())
			}
		})
	}
}

// A host that is gone is asked for anew as well, and what revokes follows too.
func TestEndpointsMoveAway(t *testing.T) {
	inMovableBubble(t, func(m *movable) {
		refresh, _, _ := m.idp.Login("ann")
		m.to = "/moved"
		pass(time.Hour)
		if err := m.Revoke(m.Context(), refresh); err == nil || !m.idp.Alive(refresh) {
			t.Errorf("revoked where there is nothing: %v", err)
		}
		m.mustDiscover()
		if err := m.Revoke(m.Context(), refresh); err != nil || m.idp.Alive(refresh) {
			t.Errorf("%v; alive is %v", err, m.idp.Alive(refresh))
		}
		pass(time.Hour)
		m.net.Set(fmt.Errorf("no such host"), false)
		if r := m.Refresh(m.Context(), refresh, AnswerTimeout); r.Outcome != Unsent {
			t.Errorf("outcome %d", r.Outcome)
		}
		m.net.Set(nil, false)
		before := m.discovered.Load()
		if m.mustDiscover(); m.discovered.Load() != before+1 {
			t.Error("a host that cannot be reached is not asked for anew")
		}
	})
}

// R10: the keys are found where they are now, within the time of one verification.
func TestKeysMove_R10(t *testing.T) {
	inMovableBubble(t, func(m *movable) {
		_, _, raw := m.idp.Login("ann")
		m.to = "/moved"
		pass(time.Hour)
		if v := m.Verify(m.Context(), parseIDToken(raw, time.Now().Add(-time.Hour)), ""); !v.Verified() {
			t.Errorf("%v, %v", v.Wrong, v.Doubt)
		}
		m.to, m.status = "/away", http.StatusGone
		m.broken = true
		pass(time.Hour)
		m.forgetKeys()
		begun := time.Now()
		v := m.Verify(m.Context(), parseIDToken(raw, time.Now().Add(-time.Hour)), "")
		if v.Doubt == nil || time.Since(begun) > httpx.SideTimeout || !strings.Contains(v.Doubt.Error(), "there is no key set (status 410)") {
			t.Errorf("%v after %v", v.Doubt, time.Since(begun))
		}
	})
}
