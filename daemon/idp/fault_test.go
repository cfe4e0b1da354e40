package idp_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/falcred/falcred/daemon/idp"
)

// seen is what a client saw of one refresh.
type seen struct {
	status int // 0: no answer
	header http.Header
	body   string
	cut    error // while reading the body
	fields map[string]any
}

// try refreshes once over a connection of its own, and follows no redirect.
func try(t *testing.T, ctx context.Context, client *http.Client, issuer, token string) seen {
	t.Helper()
	body := strings.NewReader(refreshForm(token).Encode())
	req, err := http.NewRequestWithContext(ctx, "POST", issuer+"/oauth/token", body)
	if err != nil {
		t.Error(err)
		return seen{}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := c.Do(req)
	if err != nil {
		return seen{cut: err}
	}
	defer resp.Body.Close()
	got := seen{status: resp.StatusCode, header: resp.Header}
	raw, err := io.ReadAll(resp.Body)
	got.body, got.cut = string(raw), err
	json.Unmarshal(raw, &got.fields) // not every fault sends JSON
	return got
}

func (s seen) has(field string) bool { return s.fields[field] != nil }

// TestFaultsOfTheReply: what the client sees, and whether its token is used up by it.
func TestFaultsOfTheReply(t *testing.T) {
	html := func(s seen) bool {
		return strings.HasPrefix(s.header.Get("Content-Type"), "text/html") && strings.Contains(s.body, "<p>")
	}
	htmlAfter := idp.HTML(502)
	htmlAfter.NoCommit = false
	for _, tc := range []struct {
		fault  idp.Fault
		status int
		spent  bool
		check  func(seen) bool
	}{
		{idp.Fault{Name: "none"}, 200, true, func(s seen) bool { return s.has("access_token") && s.has("id_token") }},
		{idp.Refuse(), 0, false, func(s seen) bool { return s.cut != nil }},
		{idp.Lose(), 0, true, func(s seen) bool { return s.cut != nil }},
		{idp.Cut(), 200, true, func(s seen) bool {
			return s.cut == io.ErrUnexpectedEOF && strings.Contains(s.body, "access_token") && !strings.Contains(s.body, "refresh_token")
		}},
		{idp.Slow(0), 200, true, func(s seen) bool { return s.cut == nil && s.has("refresh_token") }},
		{idp.TooMany("17"), 429, false, func(s seen) bool { return s.header.Get("Retry-After") == "17" }},
		{idp.TooMany(""), 429, false, func(s seen) bool { return s.header["Retry-After"] == nil }},
		{idp.Status(503), 503, false, func(s seen) bool { return s.body == "Service Unavailable\n" }},
		{idp.StatusAfter(500), 500, true, func(s seen) bool { return !s.has("refresh_token") }},
		{idp.OAuthError(400, "invalid_request"), 400, false, func(s seen) bool { return s.fields["error"] == "invalid_request" }},
		{idp.HTML(200), 200, false, html},
		{idp.HTML(503), 503, false, html},
		{htmlAfter, 502, true, html},
		{idp.Redirect(307, "http://127.0.0.1:1/"), 307, false, func(s seen) bool { return s.header.Get("Location") == "http://127.0.0.1:1/" }},
		{idp.Label("text/plain"), 200, true, func(s seen) bool { return s.header.Get("Content-Type") == "text/plain" && s.has("refresh_token") }},
		{idp.Without("access_token"), 200, true, func(s seen) bool { return !s.has("access_token") && s.has("refresh_token") }},
		{idp.Without("id_token"), 200, true, func(s seen) bool { return !s.has("id_token") && s.has("refresh_token") }},
		{idp.Without("expires_in"), 200, true, func(s seen) bool { return !s.has("expires_in") && s.has("refresh_token") }},
		{idp.NoRefreshToken(), 200, false, func(s seen) bool { return s.has("access_token") && !s.has("refresh_token") }},
		{idp.Huge(1 << 20), 200, true, func(s seen) bool { return len(s.body) > 1<<20 && s.has("refresh_token") }},
		{idp.HugeFirst(1 << 20), 200, true, func(s seen) bool { return strings.Index(s.body, "refresh_token") > 1<<20 && s.has("refresh_token") }},
	} {
		t.Run(tc.fault.Name, func(t *testing.T) {
			s := start(t, idp.Config{})
			token, _, _ := s.Login("auth0|a")
			s.Inject(tc.fault)
			got := try(t, t.Context(), http.DefaultClient, s.URL, token)
			if got.status != tc.status || !tc.check(got) {
				t.Errorf("saw %d %v %.200q %v", got.status, got.header, got.body, got.cut)
			}
			if s.Alive(token) == tc.spent {
				t.Errorf("spent is %v", !tc.spent)
			}
			if r := s.Requests(); len(r) != 1 || r[0].Fault != tc.fault.Name || r[0].Outcome == "" {
				t.Errorf("requests %+v", r)
			}
		})
	}
}

func TestFaultsOfTheIDToken(t *testing.T) {
	s := start(t, idp.Config{})
	provider, err := oidc.NewProvider(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	verifier := provider.Verifier(&oidc.Config{ClientID: "test-client"})
	for _, tc := range []struct {
		fault idp.Fault
		want  string // in the error; empty means verified
	}{
		{idp.Fault{}, ""},
		{idp.WrongSignature(), "signature"},
		{idp.WrongIssuer(), "different provider"},
		{idp.WrongAudience(), "expected audience"},
		{idp.OtherSubject("auth0|b"), ""},
	} {
		token, _, _ := s.Login("auth0|a")
		s.Inject(tc.fault)
		got := try(t, t.Context(), http.DefaultClient, s.URL, token)
		raw, _ := got.fields["id_token"].(string)
		id, err := verifier.Verify(t.Context(), raw)
		if tc.want != "" {
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: %v", tc.fault.Name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.fault.Name, err)
		} else if id.Subject == "auth0|b" != (tc.fault.Subject != "") {
			t.Errorf("%s: subject %s", tc.fault.Name, id.Subject)
		}
	}
}

func TestHold(t *testing.T) {
	hold := idp.NewHold()
	for name, f := range map[string]idp.Fault{"before": hold.Before(), "after": hold.After()} {
		t.Run(name, func(t *testing.T) {
			s := start(t, idp.Config{})
			token, _, _ := s.Login("auth0|a")
			s.SetFault(&f)
			done := make(chan seen, 1)
			go func() { done <- try(t, t.Context(), http.DefaultClient, s.URL, token) }()
			<-hold.Arrived
			if s.Alive(token) != (name == "before") {
				t.Error("held on the wrong side of the commit")
			}
			hold.Release <- struct{}{}
			if got := <-done; got.status != 200 || s.Alive(token) {
				t.Errorf("after the release: %+v", got)
			}
		})
	}
}

// TestLeavingWhileHeld: the client gives up; only what was committed is used up.
func TestLeavingWhileHeld(t *testing.T) {
	hold := idp.NewHold()
	for name, f := range map[string]idp.Fault{"before": hold.Before(), "after": hold.After()} {
		t.Run(name, func(t *testing.T) {
			s := start(t, idp.Config{})
			token, _, _ := s.Login("auth0|a")
			s.Inject(f)
			ctx, leave := context.WithCancel(t.Context())
			done := make(chan seen, 1)
			go func() { done <- try(t, ctx, http.DefaultClient, s.URL, token) }()
			<-hold.Arrived
			leave()
			if got := <-done; got.status != 0 {
				t.Errorf("saw %+v", got)
			}
			s.Close() // waits for the handler
			if s.Alive(token) != (name == "before") {
				t.Error("leaving changed what is spent")
			}
		})
	}
}

// TestLateCommit: the client gives up, comes back with the same token, and only then is its first
// request committed: reuse, by an honest client (R7).
func TestLateCommit(t *testing.T) {
	s := start(t, idp.Config{})
	token, _, _ := s.Login("auth0|a")
	arrived, release := make(chan struct{}), make(chan struct{})
	s.Inject(idp.Fault{Name: "late commit", Before: func(context.Context) error {
		close(arrived)
		<-release
		return nil
	}})
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan seen, 1)
	go func() { done <- try(t, ctx, http.DefaultClient, s.URL, token) }()
	<-arrived
	leave()
	<-done
	second := refresh(t, s, token)
	close(release)
	s.Close() // waits for the handler
	if s.Alive(second) || s.Stats().ReuseDetections != 1 {
		t.Errorf("stats %+v", s.Stats())
	}
}

// TestTime: delays, hangs and slow replies, on the bubble's clock.
func TestTime(t *testing.T) {
	const deadline = time.Minute
	for _, tc := range []struct {
		fault  idp.Fault
		status int
		spent  bool
		after  time.Duration
	}{
		{idp.DelayBefore(3 * time.Second), 200, true, 3 * time.Second},
		{idp.DelayAfter(3 * time.Second), 200, true, 3 * time.Second},
		{idp.DelayBefore(time.Hour), 0, false, deadline},
		{idp.DelayAfter(time.Hour), 0, true, deadline},
		{idp.HangBefore(), 0, false, deadline},
		{idp.HangAfter(), 0, true, deadline},
		{idp.Slow(time.Second), 200, true, deadline},
	} {
		t.Run(tc.fault.Name, func(t *testing.T) {
			bubble(t, idp.Config{}, func(t *testing.T, p *idp.Provider, client *http.Client) {
				token, _, _ := p.Login("auth0|a")
				p.Inject(tc.fault)
				ctx, cancel := context.WithTimeout(t.Context(), deadline)
				defer cancel()
				began := time.Now()
				got := try(t, ctx, client, "http://issuer.test", token)
				if took := time.Since(began); got.status != tc.status || took != tc.after {
					t.Errorf("saw %d after %v (%v)", got.status, took, got.cut)
				}
				if p.Alive(token) == tc.spent {
					t.Errorf("spent is %v", !tc.spent)
				}
			})
		})
	}
}

func TestOverlapOnTheClock(t *testing.T) {
	bubble(t, idp.Config{Overlap: 10 * time.Second}, func(t *testing.T, p *idp.Provider, client *http.Client) {
		token, _, _ := p.Login("auth0|a")
		for _, tc := range []struct {
			wait   time.Duration
			status int
		}{{0, 200}, {9 * time.Second, 200}, {time.Second, 403}} {
			time.Sleep(tc.wait)
			if got := try(t, t.Context(), client, "http://issuer.test", token); got.status != tc.status {
				t.Errorf("after another %v: %d", tc.wait, got.status)
			}
		}
	})
}

func TestQueueThenSetFault(t *testing.T) {
	s := start(t, idp.Config{})
	token, _, _ := s.Login("auth0|a")
	f := idp.Status(503)
	s.SetFault(&f)
	s.Inject(idp.Status(500), idp.TooMany("1"))
	post(t, s.URL+"/oauth/token", url.Values{"client_id": {"test-client"}}) // no refresh: meets no fault
	for _, want := range []int{500, 429, 503, 503} {
		if got := try(t, t.Context(), http.DefaultClient, s.URL, token); got.status != want {
			t.Errorf("saw %d, want %d", got.status, want)
		}
	}
	s.SetFault(nil)
	refresh(t, s, token)
}

// TestCloseEndsHangs would time out if a held request could keep a server open.
func TestCloseEndsHangs(t *testing.T) {
	s := start(t, idp.Config{})
	token, _, _ := s.Login("auth0|a")
	hold := idp.NewHold()
	s.Inject(hold.After())
	done := make(chan seen, 1)
	go func() { done <- try(t, context.Background(), http.DefaultClient, s.URL, token) }()
	<-hold.Arrived
	s.Close()
	if got := <-done; got.status != 0 {
		t.Errorf("saw %+v", got)
	}
}
