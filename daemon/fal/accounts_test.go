package fal

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/internal/httpx"
)

// §2: where a team's id is asked for. A login of another issuer is shown to no host
// but the one that its home's falcred.env names, whatever a shell says (R13).
func TestRESTHost_R13(t *testing.T) {
	const fals, others = true, false
	for _, c := range []struct {
		rest, falHost, file string
		issuer              bool
		want                string
	}{
		{"", "", "", fals, standardREST},
		{"", "api.staging.example.com", "", fals, "https://rest.staging.example.com"},
		{"", "grpc.example.com", "", fals, "https://grpc.example.com"},
		{"rest.example.com:8443", "api.x", "", fals, "https://rest.example.com:8443"},
		{"", "", "", others, ""},
		{"http://127.0.0.1:9", "", "", others, ""},
		{"rest.alpha.fal.ai", "api.alpha.fal.ai", "", others, ""},
		{"", "", "http://127.0.0.1:9", others, "http://127.0.0.1:9"},
		{"rest.alpha.fal.ai", "api.alpha.fal.ai", "rest.example.com", others, "https://rest.example.com"},
		{"", "", "http://rest.example.com", others, "error"},
		{"http://rest.example.com", "", "", fals, "error"},
		{"u:p@rest.example.com", "", "", fals, "error"},
		{"rest.example.com/path", "", "", fals, "error"},
	} {
		got, err := RESTHost(func(name string) string {
			return map[string]string{"FAL_REST_HOST": c.rest, "FAL_HOST": c.falHost}[name]
		}, map[string]string{"FAL_REST_HOST": c.file, "FAL_HOST": c.file}, c.issuer)
		if err != nil {
			got = "error"
		}
		if got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// §2: the list is in the CLI's order, without what the CLI leaves out and what would
// make an odd header; whatever is no list is an error that says who speaks (R8), with nothing
// of the answer in it (R12), and no redirect takes the token elsewhere (R13).
func TestAccounts_R8R12R13(t *testing.T) {
	const token = "a.secret.token"
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another host was asked, with %q", r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	for _, c := range []struct {
		what   string
		status int
		body   string
		want   string // nicknames, or part of the error
	}{
		{"a list", 200, `[{"nickname":"zoo","user_id":"3"},{"nickname":"acme","user_id":"2","is_org":true},{"nickname":"me","user_id":"1","is_personal":true}]`, "me acme zoo"},
		{"accounts that are gone, or odd", 200, `[{"nickname":"me","user_id":"1"},{"nickname":"old","user_id":"2","lock_reason":"` + archived + `"},
			{"nickname":"","user_id":"3"},{"nickname":"none"},{"nickname":"two lines","user_id":"4\r\nX: y"}]`, "me"},
		{"a lock that is not for good", 200, `[{"nickname":"me","user_id":"1","lock_reason":"unpaid"}]`, "me"},
		{"no account", 200, `[]`, "its answer is not a list of accounts"},
		{"a secret", 200, `{"secret":"secret"}`, "its answer is not a list of accounts"},
		{"null", 200, `null`, "its answer is not a list of accounts"},
		{"a list that is too long", 200, `[{"nickname":"` + strings.Repeat("x", maxAccounts), "its answer is not a list of accounts"},
		{"a redirect", http.StatusTemporaryRedirect, "", "something between this machine and it answers: status 307, no content type"},
		{"another status", http.StatusForbidden, "a secret", "something between this machine and it answers: status 403, text/plain"},
		{"a page", http.StatusForbidden, "<html>a secret", "something between this machine and it answers: status 403, text/html"},
		{"a captive portal", http.StatusOK, "<html>a secret", "something between this machine and it answers: status 200, text/html"},
		{"the host itself", http.StatusUnauthorized, `{"detail":"a secret"}`, "it refuses with status 401"},
		{"an OAuth error", http.StatusUnauthorized, `{"error":"invalid_token","error_description":"a secret"}`, "it refuses: status 401 (invalid_token)"},
		{"an outage", http.StatusServiceUnavailable, `{"detail":"a secret"}`, "it, or a gateway before it, answers with status 503, text/plain"},
		{"too many", http.StatusTooManyRequests, `{"detail":"a secret"}`, "it, or a gateway before it, asks falcred to slow down (status 429)"},
	} {
		rest := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/users/teams" || r.Header.Get("Authorization") != "Bearer "+token {
				t.Errorf("asked for %s with %q", r.URL.Path, r.Header.Get("Authorization"))
			}
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		}))
		list, err := Accounts(t.Context(), httpx.Client(httpx.NewTransport()), rest.URL, token)
		rest.Close()
		var names []string
		for _, a := range list {
			names = append(names, a.Nickname)
		}
		got := strings.Join(names, " ")
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != c.want || err != nil && !strings.HasSuffix(got, c.want) || strings.Contains(got, "secret") {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	if _, err := Accounts(t.Context(), httpx.Client(httpx.NewTransport()), gone.URL, token); err == nil || !strings.HasPrefix(err.Error(), gone.URL+" cannot be asked for your teams: ") {
		t.Errorf("nobody there: %v", err)
	}
}

func TestFindAccount(t *testing.T) {
	list := []Account{{Nickname: "me"}, {Nickname: "Acme", UserID: "2"}}
	if a, found := FindAccount(list, "aCME"); !found || a.UserID != "2" {
		t.Errorf("%+v, %v", a, found)
	}
	if a, found := FindAccount(list, "other"); found || a != (Account{}) {
		t.Errorf("%+v, %v", a, found)
	}
}
