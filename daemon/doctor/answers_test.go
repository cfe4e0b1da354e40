package doctor

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/login"
)

// R8: who answers in the issuer's place is named, and what to do about it: also where the
// issuer's own document passes and a refresh would not. No token is sent for it.
func TestWhoAnswersIsNamed_R8(t *testing.T) {
	const portal, about = "text/html", "; is FALCRED_ISSUER right?"
	for _, c := range []struct {
		what       string
		status     int // 0: nothing stands between
		kind, body string
		only       string // where it stands
		client     string
		want       string // findings but those about the clock, URL for the issuer
		hint       string
	}{
		{what: "the issuer", want: "issuer ok: URL answers"},
		{what: "a captive portal", status: 200, kind: portal, body: "<p>a secret",
			want: "issuer fail: discovery at URL failed: something between this machine and it answers: status 200, text/html", hint: "sign in to this network, or set HTTPS_PROXY"},
		{what: "its redirect", status: 302, kind: portal,
			want: "issuer fail: discovery at URL failed: something between this machine and it answers: status 302, text/html", hint: about},
		{what: "a gateway", status: 403, kind: portal, body: "<p>a secret",
			want: "issuer fail: discovery at URL failed: something between this machine and it answers: status 403, text/html", hint: about},
		{what: "a gateway's JSON", status: 200, kind: "application/json", body: `{"error":{"code":"a secret"}}`,
			want: "issuer fail: the discovery document at URL/.well-known/openid-configuration names no issuer", hint: "is FALCRED_ISSUER right?"},
		{what: "a gateway for refreshes", status: 403, kind: portal, body: "<p>a secret", only: "/oauth/token",
			want: `issuer ok: URL answers, refresh fail: a refresh at URL as client "test-client" fails: something between this machine and it answers: status 403, text/html`, hint: "HTTPS_PROXY"},
		{what: "a portal for refreshes", status: 200, kind: portal, body: "<p>a secret", only: "/oauth/token",
			want: `issuer ok: URL answers, refresh fail: a refresh at URL as client "test-client" fails: something between this machine and it answers: status 200, text/html`, hint: "HTTPS_PROXY"},
		{what: "another client", client: "another",
			want: `issuer ok: URL answers, refresh fail: a refresh at URL as client "test-client" fails: it refuses: status 401 (invalid_client), new login warn: URL gave no code: it refuses the request of client "test-client" (invalid_client)`, hint: "FALCRED_CLIENT_ID has to name a public client"},
		{what: "an outage for refreshes", status: 503, kind: portal, only: "/oauth/token",
			want: `issuer ok: URL answers, refresh warn: a refresh at URL as client "test-client" fails: it, or a gateway before it, answers with status 503, text/html`, hint: "tries again"},
		{what: "an outage", status: 502, kind: portal,
			want: "issuer fail: discovery at URL failed: it, or a gateway before it, answers with status 502, text/html", hint: "tries again"},
	} {
		t.Run(c.what, func(t *testing.T) {
			var provider *idp.Provider
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.status == 0 || !strings.Contains(r.URL.Path, c.only) {
					provider.ServeHTTP(w, r)
					return
				}
				w.Header().Set("Content-Type", c.kind)
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			}))
			defer server.Close()
			var err error
			provider, err = idp.New(server.URL, idp.Config{ClientID: c.client})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			hint := ""
			for _, f := range examineIssuer(t.Context(), Config{Config: login.Config{Issuer: server.URL, ClientID: "test-client"}}) {
				if f.Check != "clock" {
					got = append(got, f.Check+" "+string(f.Result)+": "+strings.ReplaceAll(f.Text, server.URL, "URL"))
					hint += f.Hint
				}
			}
			if text := strings.Join(got, ", "); text != c.want || !strings.Contains(hint, c.hint) || strings.Contains(text, "secret") {
				t.Errorf("%s; %s\nwant %s; %s", text, hint, c.want, c.hint)
			}
			for _, r := range provider.Requests() {
				if r.RefreshHash != "" {
					t.Error("a token was sent")
				}
			}
		})
	}
}

// R8: fal's issuer answers by its keys, and nothing else that comes for them is its word.
func TestFalAnswersByItsKeys_R8(t *testing.T) {
	for body, want := range map[string]Result{`{"keys":[]}`: OK, "<p>sign in": Fail, `{"error":"x"}`: Fail} {
		cfg := Config{Config: login.Config{Issuer: issuer.FalIssuer, Transport: answering(body)}}
		f, issuers := examineKeys(t.Context(), cfg, "")
		if f.Result != want || issuers != (want == OK) || (f.Hint == "") != (want == OK) {
			t.Errorf("%s: %+v", body, f)
		}
	}
}

type answering string

func (body answering) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(body))), Request: req}, nil
}
