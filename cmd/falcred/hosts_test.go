package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/daemon/doctor"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/testkit"
)

// nameREST makes a home whose falcred.env says where teams are asked for.
func nameREST(t *testing.T, home, host string) {
	t.Helper()
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "falcred.env"), []byte("FAL_REST_HOST="+host+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ear is a host that must not be told anything. It stands in for fal's REST host,
// and for an issuer that a shell names by mistake.
type ear struct {
	*httptest.Server
	heard atomic.Int32
}

func newEar(t *testing.T) *ear {
	e := &ear{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.heard.Add(1)
		http.Error(w, "{}", http.StatusNotFound)
	}))
	t.Cleanup(e.Close)
	return e
}

// bound is a home that holds a login of issuer's, with the issuer's name in
// falcred.json where it has been used, and an access token for which it stands.
func bound(t *testing.T, issuer *idp.Server, used bool) (home string) {
	t.Helper()
	home = filepath.Join(t.TempDir(), "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	access := issuer.Mint(idp.DefaultSubject, time.Now(), time.Hour)
	if err := os.WriteFile(filepath.Join(home, "auth0_token"), []byte("refresh\n"+access), 0o600); err != nil {
		t.Fatal(err)
	}
	if used {
		ledger, _ := json.Marshal(map[string]string{"Issuer": issuer.URL})
		if err := os.WriteFile(filepath.Join(home, "falcred.json"), ledger, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return home
}

// shellOf sets the variables of a shell, and nothing of this process's.
func shellOf(t *testing.T, home string, vars ...string) {
	t.Helper()
	for _, name := range []string{"FALCRED_ISSUER", "FAL_REST_HOST", "FAL_HOST", "FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET", "FALCRED_CLIENT_ID"} {
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1") // should something go to fal's own hosts
	t.Setenv("HOME", t.TempDir())
	t.Setenv("FAL_HOME_DIR", home)
	t.Setenv("FALCRED_SOCKET", filepath.Join(home, "falcred.sock"))
	t.Setenv("FAL_CONFIG_PATH", filepath.Join(home, "config.toml"))
	for _, v := range vars {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
}

// serveHere runs a daemon until the test ends.
func serveHere(t *testing.T, cfg daemon.Config) {
	t.Helper()
	ready, ended := make(chan string, 1), make(chan error, 1)
	cfg.Ready = func(socket string) { ready <- socket }
	ctx, end := context.WithCancel(context.Background())
	go func() { ended <- daemon.Run(ctx, cfg, slog.New(slog.DiscardHandler)) }()
	select {
	case <-ready:
		t.Cleanup(func() { end(); <-ended })
	case err := <-ended:
		end()
		t.Fatal(err)
	}
}

// falcred runs a command of this program.
func falcred(args ...string) (out string, code int) {
	var both bytes.Buffer
	code = run(args, strings.NewReader(""), &both, &both)
	return both.String(), code
}

// R13: the home decides who is told of its login, in every command: neither a REST
// host that the shell names, nor another issuer, hears of it. The words say whose
// home it is, and what to do.
func TestTheHomeDecidesWhoIsTold_R13(t *testing.T) {
	commands := [][]string{{"team", "list"}, {"team", "list", "--json"}, {"team", "set", "acme"}, {"logout"}, {"login"}, {"login", "--team", "acme"}}
	for name, c := range map[string]struct {
		used bool
		env  func(fal, wrong string) []string
		says string
	}{
		"the shell has forgotten the issuer":              {true, func(fal, _ string) []string { return []string{"FAL_REST_HOST=" + fal} }, "this home holds logins of"},
		"it names fal's by FAL_HOST":                      {true, func(fal, _ string) []string { return []string{"FAL_HOST=" + fal} }, "this home holds logins of"},
		"it names another issuer":                         {true, func(fal, wrong string) []string { return []string{"FALCRED_ISSUER=" + wrong, "FAL_REST_HOST=" + fal} }, "this home holds logins of"},
		"the home is new, and its token says whose it is": {false, func(fal, _ string) []string { return []string{"FAL_REST_HOST=" + fal} }, "this home holds a login from"},
		"and another issuer is named": {false, func(fal, wrong string) []string {
			return []string{"FALCRED_ISSUER=" + wrong, "FAL_REST_HOST=" + fal}
		}, "this home holds a login from"},
	} {
		t.Run(name, func(t *testing.T) {
			issuer := testkit.StartIssuer(t, idp.Config{AutoApprove: true})
			for _, args := range commands {
				home, fal, wrong := bound(t, issuer, c.used), newEar(t), newEar(t)
				before, _ := os.ReadFile(filepath.Join(home, "auth0_token"))
				shellOf(t, home, c.env(fal.URL, wrong.URL)...)
				if !c.used { // its own REST host must not be told of another's login either
					nameREST(t, home, fal.URL)
				}
				out, code := falcred(args...)
				if code == 0 || !strings.Contains(out, c.says) || !strings.Contains(out, issuer.URL) {
					t.Errorf("%v: exit %d, %s", args, code, out)
				}
				if fal.heard.Load()+wrong.heard.Load() != 0 {
					t.Errorf("%v: the REST host was asked %d times, the other issuer %d", args, fal.heard.Load(), wrong.heard.Load())
				}
				if after, _ := os.ReadFile(filepath.Join(home, "auth0_token")); !bytes.Equal(before, after) {
					t.Errorf("%v: the login is changed", args)
				}
			}
			if n := issuer.Stats().TokenRequests; n != 0 {
				t.Errorf("the home's own issuer had %d token requests", n)
			}
		})
	}
}

// R13: doctor says so, and goes on.
func TestDoctorNamesTheHomesIssuer_R13(t *testing.T) {
	issuer := testkit.StartIssuer(t, idp.Config{})
	home, wrong := bound(t, issuer, true), newEar(t)
	shellOf(t, home, "FALCRED_ISSUER="+wrong.URL)
	cfg, err := daemon.Look(version())
	if err != nil {
		t.Fatal(err)
	}
	findings := doctor.Examine(t.Context(), doctor.Config{Config: cfg.Config, Socket: cfg.Socket, ShareSocket: cfg.ShareSocket})
	for _, f := range findings {
		if f.Check == "home issuer" && f.Result == doctor.Fail && strings.Contains(f.Text, issuer.URL) && strings.Contains(f.Hint, "falcred.env") {
			return
		}
	}
	t.Errorf("not said: %+v", findings)
}

// R13: a daemon that answers where this home's should, and is another's, gives no
// token to fal's REST host, readable or not.
func TestAnotherHomesDaemonIsNotAsked_R13(t *testing.T) {
	issuer := testkit.StartIssuer(t, idp.Config{AutoApprove: true})
	theirs := bound(t, issuer, true)
	socket := filepath.Join(testkit.ShortDir(t), "s")
	cfg := daemon.Config{Config: login.Config{Home: theirs, Issuer: issuer.URL, ClientID: testClient}, Socket: socket}
	serveHere(t, cfg)

	fal, home := newEar(t), filepath.Join(t.TempDir(), "mine")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	shellOf(t, home, "FALCRED_SOCKET="+socket, "FAL_REST_HOST="+fal.URL)
	if err := os.WriteFile(filepath.Join(home, "auth0_token"), []byte("r"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := falcred("team", "list")
	if code == 0 || fal.heard.Load() != 0 || !strings.Contains(out, issuer.URL) {
		t.Errorf("exit %d, the REST host was asked %d times: %s", code, fal.heard.Load(), out)
	}
}

// R13: the issuer is written down before it is sent anything.
func TestTheIssuerIsRecordedFirst_R13(t *testing.T) {
	var home string
	var recorded atomic.Bool
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			data, _ := os.ReadFile(filepath.Join(home, "falcred.json"))
			recorded.Store(strings.Contains(string(data), r.Host))
			http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
			return
		}
		json.NewEncoder(w).Encode(map[string]string{
			"issuer": "http://" + r.Host, "token_endpoint": "http://" + r.Host + "/t", "revocation_endpoint": "http://" + r.Host + "/r",
			"jwks_uri": "http://" + r.Host + "/k", "authorization_endpoint": "http://" + r.Host + "/a",
		})
	}))
	defer proxy.Close()
	home = filepath.Join(testkit.ShortDir(t), "h")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "auth0_token"), []byte("opaque"), 0o600); err != nil {
		t.Fatal(err)
	}
	shellOf(t, home, "FALCRED_ISSUER="+proxy.URL)
	if out, code := falcred("logout"); code == 0 { // its endpoint refuses
		t.Errorf("logged out: %s", out)
	}
	if !recorded.Load() {
		t.Error("the refresh token was sent before the home knew whose it is")
	}
	wrong := newEar(t)
	shellOf(t, home, "FALCRED_ISSUER="+wrong.URL)
	if out, code := falcred("logout"); code == 0 || wrong.heard.Load() != 0 || !strings.Contains(out, proxy.URL) {
		t.Errorf("exit %d, the second issuer was asked %d times: %s", code, wrong.heard.Load(), out)
	}
}
