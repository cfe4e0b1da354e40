package idp_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/falcred/falcred/daemon/idp"
)

func start(t *testing.T, cfg idp.Config) *idp.Server {
	t.Helper()
	s, err := idp.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// post sends a form and decodes the answer; a status of 0 means that no whole answer came.
func post(t *testing.T, target string, form url.Values) (int, map[string]any) {
	t.Helper()
	resp, err := http.PostForm(target, form)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	var m map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
		return 0, nil
	}
	if cc := resp.Header.Get("Cache-Control"); cc != "no-store" {
		t.Errorf("Cache-Control is %q", cc)
	}
	return resp.StatusCode, m
}

func refreshForm(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "client_id": {"test-client"}, "refresh_token": {token}}
}

// refresh is a refresh that must succeed.
func refresh(t *testing.T, s *idp.Server, token string) string {
	t.Helper()
	status, m := post(t, s.URL+"/oauth/token", refreshForm(token))
	if status != http.StatusOK {
		t.Fatalf("refresh: %d %v", status, m)
	}
	return m["refresh_token"].(string)
}

// refused is a refresh that must fail in this way.
func refused(t *testing.T, s *idp.Server, token string, status int, code string) {
	t.Helper()
	got, m := post(t, s.URL+"/oauth/token", refreshForm(token))
	if got != status || m["error"] != code {
		t.Errorf("refresh: %d %v, want %d %s", got, m["error"], status, code)
	}
}

func TestRotation(t *testing.T) {
	s := start(t, idp.Config{})
	first, access, id := s.Login("auth0|a")
	if strings.Count(access, ".") != 2 || strings.Count(id, ".") != 2 {
		t.Error("the tokens of Login are no JWTs")
	}
	second := refresh(t, s, first)
	third := refresh(t, s, second)
	if s.Alive(first) || s.Alive(second) || !s.Alive(third) {
		t.Error("only the newest should be alive")
	}
	want := idp.Stats{TokenRequests: 2, Refreshes: 2}
	if got := s.Stats(); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	sum := sha256.Sum256([]byte(second))
	r := s.Requests()
	if len(r) != 2 || r[1].RefreshHash != hex.EncodeToString(sum[:]) || r[1].Outcome != "rotated" || r[1].Grant != "refresh_token" {
		t.Errorf("requests %+v", r)
	}
}

func TestReuseRevokesTheFamily(t *testing.T) {
	s := start(t, idp.Config{})
	first, _, _ := s.Login("auth0|a")
	other, _, _ := s.Login("auth0|a")
	second := refresh(t, s, first)
	refused(t, s, first, http.StatusForbidden, "invalid_grant")
	refused(t, s, second, http.StatusForbidden, "invalid_grant")
	if s.Alive(second) || !s.Alive(other) {
		t.Error("reuse should end its own family and no other")
	}
	want := idp.Stats{TokenRequests: 3, Refreshes: 1, ReuseDetections: 1, FamiliesRevoked: 1, Rejected: 2}
	if got := s.Stats(); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

// TestRecord: who has used up which token, and what came of it, can be told from the record alone.
func TestRecord(t *testing.T) {
	s := start(t, idp.Config{})
	first, _, _ := s.Login("auth0|a")
	second := refresh(t, s, first)
	refused(t, s, first, 403, "invalid_grant")
	r := s.Requests()
	if len(r) != 2 || r[0].Number != 1 || r[1].Number != 2 || !strings.HasPrefix(r[0].Agent, "Go-http-client/") {
		t.Fatalf("requests %+v", r)
	}
	sum := sha256.Sum256([]byte(second))
	if r[0].Issued != hex.EncodeToString(sum[:]) || r[1].Issued != "" || r[1].RefreshHash != r[0].RefreshHash {
		t.Errorf("requests %+v", r)
	}
	living, _, _ := s.Login("auth0|a")
	if !s.Revoked(first) || !s.Revoked(second) || s.Revoked(living) || !s.Revoked("never issued") {
		t.Error("Revoked does not tell the logins apart")
	}
}

func TestSpentErrorOfDex(t *testing.T) {
	s := start(t, idp.Config{SpentError: "invalid_request"})
	refused(t, s, "never issued", http.StatusBadRequest, "invalid_request")
}

func TestOneOfManyWins(t *testing.T) {
	s := start(t, idp.Config{})
	first, _, _ := s.Login("auth0|a")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { post(t, s.URL+"/oauth/token", refreshForm(first)) })
	}
	wg.Wait()
	want := idp.Stats{TokenRequests: 8, Refreshes: 1, ReuseDetections: 1, FamiliesRevoked: 1, Rejected: 7}
	if got := s.Stats(); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

// TestOverlap holds the package doc's rules; an hour stands for "still", SetConfig for time passing.
func TestOverlap(t *testing.T) {
	s := start(t, idp.Config{Overlap: time.Hour})
	first, _, _ := s.Login("auth0|a")
	lost := refresh(t, s, first)
	second := refresh(t, s, first) // the replay
	if s.Alive(lost) || !s.Alive(second) {
		t.Error("the replay's successor should be the newest")
	}
	third := refresh(t, s, lost) // only late, not lost
	if !s.Alive(third) {
		t.Error("the lost successor should still work, and lead on")
	}
	third = refresh(t, s, second)
	if got := s.Stats(); got.Refreshes != 4 || got.Replays != 3 || got.ReuseDetections != 0 {
		t.Errorf("stats %+v", got)
	}
	refused(t, s, first, http.StatusForbidden, "invalid_grant") // a generation too old
	if s.Alive(third) {
		t.Error("an old token should have revoked the family")
	}
}

func TestOverlapEnds(t *testing.T) {
	s := start(t, idp.Config{Overlap: time.Hour})
	first, _, _ := s.Login("auth0|a")
	second := refresh(t, s, first)
	s.SetConfig(func(c *idp.Config) { c.Overlap = 0 })
	refused(t, s, first, http.StatusForbidden, "invalid_grant")
	if s.Alive(second) {
		t.Error("a replay after the overlap should have revoked the family")
	}
}

func TestRevoke(t *testing.T) {
	s := start(t, idp.Config{})
	first, _, _ := s.Login("auth0|a")
	second := refresh(t, s, first)
	for _, token := range []string{"never issued", first, second} {
		resp, err := http.PostForm(s.URL+"/oauth/revoke", url.Values{"client_id": {"test-client"}, "token": {token}})
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("revoke: %s", resp.Status)
		}
	}
	if got := s.Stats(); s.Alive(second) || got.Revocations != 3 || got.FamiliesRevoked != 1 {
		t.Errorf("stats %+v", got)
	}
}

func TestBadRequests(t *testing.T) {
	s := start(t, idp.Config{})
	for _, tc := range []struct {
		path, form string
		status     int
		code       string
	}{
		{"/oauth/token", "grant_type=refresh_token&refresh_token=x&client_id=other", 401, "invalid_client"},
		{"/oauth/token", "grant_type=refresh_token&client_id=test-client", 400, "invalid_request"},
		{"/oauth/token", "grant_type=password&client_id=test-client", 400, "unsupported_grant_type"},
		{"/oauth/token", "client_id=test-client", 400, "invalid_request"},
		{"/oauth/token", "grant_type=" + strings.Repeat("x", 70<<10), 400, "invalid_request"},
		{"/oauth/device/code", "", 401, "invalid_client"},
		{"/oauth/revoke", "client_id=test-client", 400, "invalid_request"},
	} {
		form, err := url.ParseQuery(tc.form)
		if err != nil {
			t.Fatal(err)
		}
		status, m := post(t, s.URL+tc.path, form)
		if status != tc.status || m["error"] != tc.code {
			t.Errorf("%s %.60s: %d %v, want %d %s", tc.path, tc.form, status, m["error"], tc.status, tc.code)
		}
	}
	if got := s.Stats(); got.Rejected != 4 || got.TokenRequests != 4 {
		t.Errorf("stats %+v", got)
	}
}

// TestBasicIsSeen: what x/oauth2 does when it detects the style by itself (R6).
func TestBasicIsSeen(t *testing.T) {
	s := start(t, idp.Config{})
	first, _, _ := s.Login("auth0|a")
	s.Inject(idp.Status(503))
	cfg := oauth2.Config{ClientID: "test-client", Endpoint: oauth2.Endpoint{TokenURL: s.URL + "/oauth/token"}}
	if _, err := cfg.TokenSource(t.Context(), &oauth2.Token{RefreshToken: first}).Token(); err != nil {
		t.Fatal(err)
	}
	r := s.Requests()
	if len(r) != 2 || !r[0].Basic || r[1].Basic || r[0].Fault != "status 503" {
		t.Errorf("requests %+v", r)
	}
}

func TestVerifiedThroughDiscovery(t *testing.T) {
	for name, slash := range map[string]string{"plain": "", "auth0's trailing slash": "/", "a path": "/tenant/"} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			issuer := "http://" + l.Addr().String() + slash
			p, err := idp.New(issuer, idp.Config{})
			if err != nil {
				t.Fatal(err)
			}
			srv := &http.Server{Handler: p}
			go srv.Serve(l)
			defer srv.Close()
			verify(t, p, issuer)
		})
	}
}

func verify(t *testing.T, p *idp.Provider, issuer string) {
	provider, err := oidc.NewProvider(t.Context(), issuer)
	if err != nil {
		t.Fatal(err)
	}
	ids := provider.Verifier(&oidc.Config{ClientID: "test-client"})
	accesses := provider.Verifier(&oidc.Config{ClientID: "fal-cloud"})
	_, access, before := p.Login("auth0|a")
	p.RotateKey()
	_, _, after := p.Login("auth0|a")
	for _, raw := range []string{before, after, before} {
		token, err := ids.Verify(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		if token.Subject != "auth0|a" {
			t.Errorf("subject %q", token.Subject)
		}
	}
	if _, err := accesses.Verify(t.Context(), access); err != nil {
		t.Error(err)
	}
	old := p.Mint("auth0|a", time.Now().Add(-2*time.Hour), time.Hour)
	if _, err := accesses.Verify(t.Context(), old); !strings.Contains(err.Error(), "expired") {
		t.Errorf("an expired access token: %v", err)
	}
	source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: access})
	info, err := provider.UserInfo(t.Context(), source)
	if err != nil || info.Subject != "auth0|a" || info.Email != "a@example.com" {
		t.Errorf("userinfo %+v, %v", info, err)
	}
	source = oauth2.StaticTokenSource(&oauth2.Token{AccessToken: old})
	if _, err := provider.UserInfo(t.Context(), source); err == nil {
		t.Error("userinfo took an expired token")
	}
}

func TestOpaque(t *testing.T) {
	s := start(t, idp.Config{Opaque: true})
	_, access, _ := s.Login("auth0|a")
	if strings.Contains(access, ".") {
		t.Error("an opaque token has dots")
	}
	provider, err := oidc.NewProvider(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: access})
	if _, err := provider.UserInfo(t.Context(), source); err != nil {
		t.Error(err)
	}
}

func TestNewRefusesWhatIsNoIssuer(t *testing.T) {
	for _, issuer := range []string{"", "auth.fal.ai", "http://\x7f"} {
		if _, err := idp.New(issuer, idp.Config{}); err == nil {
			t.Errorf("%q was taken", issuer)
		}
	}
}
