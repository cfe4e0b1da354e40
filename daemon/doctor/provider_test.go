package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/env"
)

// R13, §3: what is wrong with an issuer is named as the login and the daemon name it, with
// what to do; one that is not as it is called does not answer.
func TestDoctorNamesWhatAnIssuerLacks_R13(t *testing.T) {
	var provider *idp.Provider
	var front func(w http.ResponseWriter, r *http.Request) bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if front == nil || !front(w, r) {
			provider.ServeHTTP(w, r)
		}
	}))
	defer server.Close()
	provider, err := idp.New(server.URL, idp.Config{})
	testkit.Must(t, err)
	refuse := func(path string, status int, code string) func(w http.ResponseWriter, r *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != path {
				return false
			}
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"error":%q,"error_description":"hunter2"}`, code)
			return true
		}
	}
	const document, token, device = "/.well-known/openid-configuration", "/oauth/token", "/oauth/device/code"
	for name, c := range map[string]struct {
		issuer, client string
		front          func(w http.ResponseWriter, r *http.Request) bool
		check          string
		result         Result
		text, hint     string
	}{
		"all is well":                 {server.URL, "test-client", nil, "issuer", OK, server.URL + " answers", ""},
		"a slash":                     {server.URL + "/", "test-client", nil, "issuer", Fail, "FALCRED_ISSUER says " + server.URL + "/, and the discovery document there says " + server.URL, "set FALCRED_ISSUER=" + server.URL},
		"no document":                 {server.URL, "test-client", refuse(document, 404, "x"), "issuer", Fail, "there is no discovery document at " + server.URL + document + " (status 404)", "is FALCRED_ISSUER right?"},
		"no token endpoint":           {server.URL, "test-client", refuse(token, 404, "not_found"), "refresh", Fail, "there is no token endpoint where the discovery document of " + server.URL + " names one (status 404)", "falcred asks it again"},
		"a gateway before":            {server.URL, "test-client", refuse(token, 403, "Forbidden!"), "refresh", Fail, "something between this machine and it answers: status 403", "HTTPS_PROXY"},
		"another client":              {server.URL, "nobody", nil, "refresh", Fail, `as client "nobody" fails: it refuses: status 401 (invalid_client)`, "FALCRED_CLIENT_ID"},
		"another client, for a login": {server.URL, "nobody", nil, "new login", Warn, server.URL + ` gave no code: it refuses the request of client "nobody" (invalid_client)`, "FALCRED_CLIENT_ID"},
		"an audience":                 {server.URL, "test-client", refuse(device, 400, "invalid_request"), "new login", Warn, "(invalid_request)", "FALCRED_AUDIENCE"},
		"no device login":             {server.URL, "test-client", refuse(device, 404, "x"), "new login", Warn, "there is no device endpoint where its discovery document names one (status 404)", "ask whoever runs it"},
	} {
		front = c.front
		cfg := Config{Config: login.Config{Home: t.TempDir(), Issuer: c.issuer, ClientID: c.client, Audience: "a", Scopes: "openid"}}
		findings := examineIssuer(context.Background(), cfg)
		i := slices.IndexFunc(findings, func(f Finding) bool { return f.Check == c.check })
		if i < 0 || findings[i].Result != c.result || !strings.Contains(findings[i].Text, c.text) || !strings.Contains(findings[i].Hint, c.hint) {
			t.Errorf("%s: %+v", name, findings)
		}
		for _, f := range findings {
			if c.check == "issuer" && f.Check == "issuer" && f.Result != c.result || strings.Contains(f.Text+f.Hint, "hunter2") || c.result == OK && f.Result != OK {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

// R13: doctor says as which client a login is refreshed, where another is named.
func TestDoctorNamesTheClient_R13(t *testing.T) {
	home := t.TempDir()
	testkit.Must(t, os.WriteFile(filepath.Join(home, env.TokenFile), []byte("r\na"), 0o600))
	testkit.Must(t, journal.Ledger{}.WithTip(tokenfile.TokenPair{Refresh: "r"}, "ann").MadeBy("r", "made\x1b").Save(home))
	for named, want := range map[string]bool{"": false, "made\x1b": false, "another": true} {
		t.Setenv("FALCRED_CLIENT_ID", named)
		f, ok := examineClient(Config{Config: login.Config{Home: home}})
		if ok != want || ok && (f.Result != Warn || !strings.Contains(f.Text, `client "made?"`) || !strings.Contains(f.Text, `"another"`) || f.Hint == "") {
			t.Errorf("%q: %+v, %v", named, f, ok)
		}
	}
}
