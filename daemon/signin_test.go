package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/falcred/falcred/protocol/env"
	"github.com/fsnotify/fsnotify"
	"github.com/gofrs/flock"
)

// oddIssuer answers as it likes: what an issuer sends is not under our control.
type oddIssuer struct {
	*httptest.Server
	cfg Config

	device string // the answer to a device authorization, URL for its own address
	token  func(poll int) (status int, body string)
	gone   string // an endpoint that discovery does not name
	polls  atomic.Int32
}

func startOddIssuer(t *testing.T) *oddIssuer {
	t.Helper()
	o := &oddIssuer{device: `{"device_code":"d","user_code":"ABCD","verification_uri":"URL/activate","expires_in":900,"interval":1}`}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		document := map[string]string{
			"issuer": o.URL, "token_endpoint": o.URL + "/token", "jwks_uri": o.URL + "/keys",
			"device_authorization_endpoint": o.URL + "/device",
		}
		delete(document, o.gone)
		json.NewEncoder(w).Encode(document)
	})
	mux.HandleFunc("/device", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, strings.ReplaceAll(o.device, "URL", o.URL))
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, _ *http.Request) {
		status, body := o.token(int(o.polls.Add(1)))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
	o.Server = httptest.NewServer(mux)
	t.Cleanup(o.Close)
	servers, err := env.NewServers(func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	o.cfg = Config{Home: filepath.Join(t.TempDir(), "home"), Issuer: o.URL, ClientID: "c", Servers: servers, Scopes: "openid"}
	if err := prepareHome(o.cfg.Home); err != nil {
		t.Fatal(err)
	}
	return o
}

const (
	oddLogin   = `{"access_token":"a","refresh_token":"r","token_type":"Bearer","expires_in":3600}`
	oddPending = `{"error":"authorization_pending"}`
)

// Whatever an issuer answers to a device authorization, `login` says so in a line
// and does not fall over.
func TestOddDeviceAuthorizations(t *testing.T) {
	for device, want := range map[string]string{
		`null`: "gives no code", `[]`: "gives no code", `{}`: "gives no code", `"x"`: "gives no code", ``: "gives no code",
		`{"device_code":"d","verification_uri":"URL"}`:                                                "gives no code",
		`{"device_code":"d","user_code":"u","verification_uri":"http://fal.example.com/"}`:            "neither https nor",
		`{"device_code":"d","user_code":"u","verification_uri":"javascript:alert(1)"}`:                "neither https nor",
		`{"device_code":"d","user_code":"u","verification_uri":"URL"}`:                                "",
		`{"device_code":"d","user_code":"u","verification_uri":"URL","interval":-1}`:                  "",
		`{"device_code":"d","user_code":"u","verification_uri":"URL","interval":9223372036854775807}`: "",
	} {
		t.Run(device, func(t *testing.T) {
			o := startOddIssuer(t)
			o.device = device
			o.token = func(int) (int, string) { return http.StatusOK, oddLogin }
			s, err := BeginSignIn(t.Context(), o.cfg, "")
			switch {
			case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
				t.Fatalf("BeginSignIn: %v, want %q", err, want)
			case err != nil:
				return
			}
			if s.device.Interval != 5 && s.device.Interval != maxInterval {
				t.Fatalf("it polls every %d s", s.device.Interval)
			}
		})
	}
}

// A discovery document without the endpoints that everything needs is refused
// before anybody is shown a code.
func TestSignInWithoutEndpoints(t *testing.T) {
	for _, gone := range []string{"token_endpoint", "jwks_uri", "device_authorization_endpoint"} {
		o := startOddIssuer(t)
		o.gone = gone
		if _, err := BeginSignIn(t.Context(), o.cfg, ""); err == nil {
			t.Errorf("without a %s a login begins", gone)
		}
	}
}

// RFC 8628 §3.5: a poll that is lost, or that a gateway turns away, ends nothing;
// a refusal by the issuer does.
func TestSignInSurvivesSinglePolls(t *testing.T) {
	t.Parallel()
	o := startOddIssuer(t)
	o.token = func(poll int) (int, string) {
		switch poll {
		case 1:
			return http.StatusTooManyRequests, "slow down"
		case 2:
			return http.StatusBadRequest, oddPending
		case 3:
			return http.StatusFound, "<html>log in to this network"
		}
		return http.StatusOK, oddLogin
	}
	s, err := BeginSignIn(t.Context(), o.cfg, "")
	if err != nil {
		t.Fatal(err)
	}
	granted, err := s.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := granted.Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(o.cfg.tokenPath()); string(data) != "r\na" {
		t.Errorf("the file holds %q", data)
	}
	o.token = func(int) (int, string) { return http.StatusForbidden, `{"error":"unauthorized_client"}` }
	if _, err := s.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "status 403 (unauthorized_client)") {
		t.Errorf("Wait: %v", err)
	}
}

// R6: a refresh token in a 2xx body is kept, whatever else is wrong with it.
func TestSignInKeepsTheRefreshToken(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"refresh_token":"r"}`:                      "r",
		`{"refresh_token":"r","access_token":5}`:     "r",
		`{"refresh_token":"r","access_token":"a"`:    "r\na",
		`{"access_token":"a","token_type":"Bearer"}`: "",
		`null`: "", `<html>`: "",
	} {
		o := startOddIssuer(t)
		o.token = func(int) (int, string) { return http.StatusOK, body }
		s, err := BeginSignIn(t.Context(), o.cfg, "")
		if err != nil {
			t.Fatal(err)
		}
		granted, err := s.Wait(t.Context())
		if (err == nil) != (want != "") {
			t.Errorf("%s: %v", body, err)
		}
		if err != nil {
			continue
		}
		if err := granted.Keep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if data, _ := os.ReadFile(o.cfg.tokenPath()); string(data) != want {
			t.Errorf("%s: the file holds %q", body, data)
		}
	}
}

// F3, R10: a daemon that finds a login of ours also finds the note that it is
// ours, and says so in the history; a login that could not be written leaves none.
func TestSignInIsNotedFirst(t *testing.T) {
	t.Parallel()
	o := startOddIssuer(t)
	o.token = func(int) (int, string) { return http.StatusOK, oddLogin }
	s, err := BeginSignIn(t.Context(), o.cfg, "")
	if err != nil {
		t.Fatal(err)
	}
	granted, err := s.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if os.Symlink("/proc/nowhere", o.cfg.tokenPath()) == nil {
		if err := granted.Keep(t.Context()); err == nil {
			t.Error("a login was written into /proc")
		}
		if m, _ := loadMemory(o.cfg.Home); m.Tip != "" {
			t.Error("a note of a login that was not written is left")
		}
		os.Remove(o.cfg.tokenPath())
	}
	home, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	if err := home.Add(o.cfg.Home); err != nil {
		t.Fatal(err)
	}
	if err := granted.Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for noted := false; ; {
		switch e := <-home.Events; e.Name {
		case filepath.Join(o.cfg.Home, memoryFile):
			noted = true
		case o.cfg.tokenPath():
			if m, _ := loadMemory(o.cfg.Home); !noted || !m.issued("r") {
				t.Fatal("the login was there before the note")
			}
			return
		}
	}
}

// A login that cannot be kept leaves the one that is there as it is, and says
// so; Ctrl-C is heeded while somebody else holds the lock.
func TestSignInThatCannotBeKept(t *testing.T) {
	t.Parallel()
	o := startOddIssuer(t)
	o.token = func(int) (int, string) { return http.StatusOK, oddLogin }
	s, err := BeginSignIn(t.Context(), o.cfg, "")
	if err != nil {
		t.Fatal(err)
	}
	granted, err := s.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(o.cfg.tokenPath(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := granted.Keep(t.Context()); err == nil || !strings.Contains(err.Error(), "granted and not kept; what was there is unchanged") {
		t.Errorf("Keep: %v", err)
	}
	os.Remove(o.cfg.tokenPath())

	neighbour := flock.New(filepath.Join(o.cfg.Home, lockFile))
	if locked, err := neighbour.TryLock(); !locked {
		t.Fatal(err)
	}
	defer neighbour.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	if err := granted.Keep(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Keep: %v", err)
	}
	if _, err := BeginSignIn(ctx, o.cfg, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("BeginSignIn: %v", err)
	}
	if _, err := os.Stat(o.cfg.tokenPath()); err == nil {
		t.Error("something was written")
	}
}
