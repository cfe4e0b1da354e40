package fal

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/testkit"
)

const token = "a.secret.token"

// §2: the list is in the CLI's order, without what the CLI leaves out and what would
// make an odd header; whatever is no list is an error that says who speaks (R8), with nothing
// of the answer in it (R12), and no redirect takes the token elsewhere (R13).
func TestAccounts_R8R12R13(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another host was asked, with %q", r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	long := strings.Repeat("x", maxName)
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
		{"odd ones spoil no other", 200, `[1, null, "x", [], {"nickname":5,"user_id":"2"},{"nickname":"me","user_id":"1","is_org":null},{"nickname":"b","user_id":7},{"nickname":"c","user_id":"1","is_personal":"no"}]`, "me"},
		{"names that nobody could type", 200, `[{"nickname":"a\u001b[31m","user_id":"1"},{"nickname":"b\u0000","user_id":"1"},{"nickname":"c\nd","user_id":"1"},{"nickname":"me","user_id":"1"}]`, "me"},
		{"names and ids that are too long", 200, `[{"nickname":"` + long + `y","user_id":"1"},{"nickname":"a","user_id":"` + long + `y"},{"nickname":"b","user_id":"` + long + `"},{"nickname":"me","user_id":"1"}]`, "b me"},
		{"ids that are no header", 200, `[{"nickname":"a","user_id":"1 2"},{"nickname":"b","user_id":"é"},{"nickname":"me","user_id":"1"}]`, "me"},
		{"no account", 200, `[]`, "its answer is not a list of accounts"},
		{"accounts that are all odd", 200, `[{"nickname":"x"}]`, "its answer is not a list of accounts"},
		{"a secret", 200, `{"secret":"secret"}`, "its answer is not a list of accounts"},
		{"null", 200, `null`, "its answer is not a list of accounts"},
		{"a page", 200, `<html>secret`, "something between this machine and it answers: status 200, text/html"},
		{"a list that was cut", 200, `[{"nickname":"me","user_id":"1"},`, "its answer is not a list of accounts"},
		{"nesting without an end", 200, `[` + strings.Repeat("[", 100_000), "its answer is not a list of accounts"},
		{"a list that is too long", 200, `[{"nickname":"` + strings.Repeat("x", maxAccounts), "its answer is longer than 1 MiB"},
		{"a great many of nothing", 200, `[` + strings.Repeat("{},", 300_000) + `{"nickname":"me","user_id":"1"}]`, "me"},
		{"a redirect", http.StatusTemporaryRedirect, "", "something between this machine and it answers: status 307, no content type"},
		{"another status", http.StatusForbidden, "a secret", "something between this machine and it answers: status 403, text/plain"},
		{"another page", http.StatusForbidden, "<html>a secret", "something between this machine and it answers: status 403, text/html"},
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
		list, err := Accounts(t.Context(), httpx.Client(httpx.NewTransport()), []string{rest.URL}, token)
		rest.Close()
		got := names(list)
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != c.want || err != nil && !strings.HasSuffix(got, c.want) || strings.Contains(got, "secret") {
			t.Errorf("%s: %.200q, want %q", c.what, got, c.want)
		}
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	if _, err := Accounts(t.Context(), httpx.Client(httpx.NewTransport()), []string{gone.URL}, token); err == nil || !strings.HasPrefix(err.Error(), gone.URL+" cannot be asked for your teams: ") {
		t.Errorf("nobody there: %v", err)
	}
}

func names(list []Account) string {
	var names []string
	for _, a := range list {
		names = append(names, a.Nickname)
	}
	return strings.Join(names, " ")
}

// byHost is the network: each host's server, or why it cannot be dialled. All of them are
// asked by plain http here, which is what makes them servers of a test.
type byHost struct {
	servers map[string]http.Handler
	errors  map[string]error
	asked   []string
}

func (n *byHost) RoundTrip(r *http.Request) (*http.Response, error) {
	n.asked = append(n.asked, r.URL.Scheme+"://"+r.URL.Host+" "+r.Header.Get("Authorization"))
	if err := n.errors[r.URL.Host]; err != nil {
		return nil, err
	}
	server := httptest.NewServer(n.servers[r.URL.Host])
	defer server.Close()
	to := r.Clone(r.Context())
	to.URL.Scheme, to.URL.Host = "http", strings.TrimPrefix(server.URL, "http://")
	return httpx.NewTransport().RoundTrip(to)
}

func answers(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	})
}

// §2, R13: rest.fal.ai is asked where rest.alpha.fal.ai is gone, and where fal itself says no
// it is not; by https only, and what both said is told.
func TestTheOtherHostWhereOneIsGone_R13(t *testing.T) {
	const alpha, second, list = "rest.alpha.fal.ai", "rest.fal.ai", `[{"nickname":"me","user_id":"1"}]`
	page, no := "<html>secret</html>", `{"detail":"secret"}`
	for what, c := range map[string]struct {
		err    error
		status int
		body   string
		gone   bool
	}{
		"the list":                {status: 200, body: list},
		"no name":                 {err: &net.DNSError{IsNotFound: true}, gone: true},
		"nobody listens":          {err: &net.OpError{Op: "dial", Err: errors.New("refused")}, gone: true},
		"another's certificate":   {err: testkit.ErrNetDown, gone: true},
		"fal's 401":               {status: 401, body: no},
		"fal's 403":               {status: 403, body: no},
		"fal's 400":               {status: 400, body: no},
		"fal's 422":               {status: 422, body: `{"detail":[{"loc":["header"],"msg":"secret"}]}`},
		"fal's 429":               {status: 429, body: no},
		"fal's 500":               {status: 500, body: no},
		"a gateway's 401":         {status: 401, body: page, gone: true},
		"a gateway's 403":         {status: 403, body: page, gone: true},
		"a gateway's 403, a text": {status: 403, body: `"secret"`, gone: true},
		"a gateway's 403, empty":  {status: 403, gone: true},
		"404, a page":             {status: 404, body: page, gone: true},
		"404, JSON":               {status: 404, body: no, gone: true},
		"405":                     {status: 405, body: no, gone: true},
		"410":                     {status: 410, body: no, gone: true},
		"421":                     {status: 421, body: no, gone: true},
		"a redirect":              {status: 301, gone: true},
		"a gateway's 500":         {status: 500, body: page, gone: true},
		"502":                     {status: 502, body: no, gone: true},
		"503":                     {status: 503, body: no, gone: true},
		"504":                     {status: 504, body: page, gone: true},
		"a parked domain":         {status: 200, body: page, gone: true},
		"no list":                 {status: 200, body: `{"accounts":[]}`, gone: true},
		"204":                     {status: 204, gone: true},
	} {
		n := &byHost{servers: map[string]http.Handler{alpha: answers(c.status, c.body), second: answers(200, list)}, errors: map[string]error{alpha: c.err}}
		hosts, named, err := Config{}.RESTHosts(StandardREST, "")
		if err != nil || named != "" {
			t.Fatal(named, err)
		}
		got, err := Accounts(t.Context(), httpx.Client(n), hosts, token)
		want := []string{"https://" + alpha + " Bearer " + token}
		if c.gone {
			want = append(want, "https://"+second+" Bearer "+token)
		}
		if !slices.Equal(n.asked, want) {
			t.Errorf("%s: asked %q", what, n.asked)
		}
		if ok := c.gone || c.status == 200; ok != (err == nil && names(got) == "me") {
			t.Errorf("%s: %v, %v", what, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", what, err)
		}
		if !c.gone {
			continue
		}
		n.servers[second], n.asked = answers(401, no), nil
		_, err = Accounts(t.Context(), httpx.Client(n), hosts, token)
		if text := fmt.Sprint(err); !strings.Contains(text, "https://"+alpha+" ") || !strings.HasSuffix(text, "; https://"+second+" did not list your teams: it refuses with status 401") {
			t.Errorf("%s, and then a 401: %s", what, text)
		}
		n.asked = nil
		if _, err = Accounts(t.Context(), httpx.Client(n), []string{"https://" + alpha}, token); err == nil || len(n.asked) != 1 {
			t.Errorf("%s, at a host that was named: asked %q", what, n.asked)
		}
	}
}

// §2: as at the CLI, a host may take 30 s for its answer, and both together no more.
func TestAccountsMayTakeTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for took, want := range map[time.Duration]string{29 * time.Second: "me<nil>", 31 * time.Second: "no answer in time"} {
			slow := roundTrip(func(r *http.Request) (*http.Response, error) {
				select {
				case <-time.After(took):
				case <-r.Context().Done():
					return nil, r.Context().Err()
				}
				return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`[{"nickname":"me","user_id":"1"}]`))}, nil
			})
			begun := time.Now()
			list, err := Accounts(t.Context(), httpx.Client(slow), []string{StandardREST, sdkREST}, token)
			if got := names(list) + fmt.Sprint(err); !strings.Contains(got, want) || time.Since(begun) > Patience {
				t.Errorf("after %v: %s, %v", time.Since(begun), names(list), err)
			}
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestFindAccount(t *testing.T) {
	list := []Account{{Nickname: "me"}, {Nickname: "Acme", UserID: "2"}}
	if a, found := FindAccount(list, "aCME"); !found || a.UserID != "2" {
		t.Errorf("%+v, %v", a, found)
	}
	if a, found := FindAccount(list, "other"); found || a != (Account{}) {
		t.Errorf("%+v, %v", a, found)
	}
}
