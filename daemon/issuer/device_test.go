package issuer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// oddIssuer answers as it likes: what an issuer sends is not under our control.
type oddIssuer struct {
	*Provider
	net          *testkit.MemoryNet
	device       string // the answer to a device authorization, URL for its own address
	deviceStatus int    // of that, 200 for 0
	token        func(poll int) (status int, body string)
	change       func(document map[string]string) // to the discovery document
	polls        int
	kind         string     // of the answer to a device authorization; "": JSON
	pause        string     // Retry-After of the answers to polls
	asked        url.Values // what the device authorization was asked with
}

// inOddBubble runs f on the fake clock.
func inOddBubble(t *testing.T, f func(t *testing.T, o *oddIssuer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := &oddIssuer{
			net:    testkit.NewMemoryNet(httpx.ConnectTimeout + time.Second),
			device: `{"device_code":"d","user_code":"ABCD","verification_uri":"URL/activate","expires_in":900,"interval":1}`,
		}
		mux := http.NewServeMux()
		mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
			document := map[string]string{
				"issuer": testIssuer, "token_endpoint": testIssuer + "/token", "jwks_uri": testIssuer + "/keys",
				"device_authorization_endpoint": testIssuer + "/device",
			}
			if o.change != nil {
				o.change(document)
			}
			json.NewEncoder(w).Encode(document)
		})
		mux.HandleFunc("/device", func(w http.ResponseWriter, r *http.Request) {
			r.ParseForm()
			o.asked = r.PostForm
			w.Header().Set("Content-Type", cmp.Or(o.kind, "application/json"))
			if o.device == "" {
				<-r.Context().Done()
			}
			w.WriteHeader(cmp.Or(o.deviceStatus, http.StatusOK))
			fmt.Fprint(w, strings.ReplaceAll(o.device, "URL", testIssuer))
		})
		mux.HandleFunc("/token", func(w http.ResponseWriter, _ *http.Request) {
			o.polls++
			status, body := o.token(o.polls)
			w.Header().Set("Retry-After", o.pause)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		})
		o.Provider = serveIn(t, o.net, mux)
		f(t, o)
	})
}

const (
	oddLogin   = `{"access_token":"a","refresh_token":"r","token_type":"Bearer","expires_in":3600}`
	oddPending = `{"error":"authorization_pending"}`
)

// ignore is told what keeps a poll from the issuer.
func ignore(string) {}

// begin asks for a code as a login does.
func (o *oddIssuer) begin(t *testing.T) *DeviceLogin {
	t.Helper()
	d, err := o.Authorize(t.Context(), "openid", "", "")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Whatever an issuer answers to a device authorization, `login` says so in a line
// and does not fall over.
func TestOddDeviceAuthorizations(t *testing.T) {
	for device, want := range map[string]string{
		`null`: "gave no code", `[]`: "gave no code", `{}`: "gave no code", `"x"`: "gave no code", ` `: "gave no code",
		`{"device_code":"d","verification_uri":"URL"}`:                                                "gave no code",
		`{"device_code":"d","user_code":"u","verification_uri":"http://fal.example.com/"}`:            "neither https nor",
		`{"device_code":"d","user_code":"u","verification_uri":"javascript:alert(1)"}`:                "neither https nor",
		`{"device_code":"d","user_code":"u","verification_uri":"URL"}`:                                "",
		`{"device_code":"d","user_code":"u","verification_uri":"URL","interval":-1}`:                  "",
		`{"device_code":"d","user_code":"u","verification_uri":"URL","interval":9223372036854775807}`: "",
	} {
		t.Run(device, func(t *testing.T) {
			inOddBubble(t, func(t *testing.T, o *oddIssuer) {
				o.device = device
				d, err := o.Authorize(t.Context(), "openid", "", "")
				switch {
				case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
					t.Fatalf("Authorize: %v, want %q", err, want)
				case err != nil:
					return
				}
				if d.interval != defaultInterval && d.interval != maxInterval {
					t.Fatalf("it polls every %v", d.interval)
				}
			})
		})
	}
}

// A discovery document without the endpoints that everything needs is refused
// before anybody is shown a code.
func TestDeviceLoginWithoutEndpoints(t *testing.T) {
	for _, gone := range []string{"token_endpoint", "jwks_uri", "device_authorization_endpoint"} {
		inOddBubble(t, func(t *testing.T, o *oddIssuer) {
			o.change = func(document map[string]string) { delete(document, gone) }
			if _, err := o.Authorize(t.Context(), "openid", "", ""); err == nil {
				t.Errorf("without a %s a login begins", gone)
			}
		})
	}
}

// RFC 8628 §3.1: scopes and audience are asked for as they are given, and what is empty
// is not; a connection is fal's alone.
func TestDeviceAuthorizationRequest(t *testing.T) {
	inOddBubble(t, func(t *testing.T, o *oddIssuer) {
		if _, err := o.Authorize(t.Context(), " openid  email ", "an-audience", ""); err != nil {
			t.Fatal(err)
		}
		if got, want := o.asked.Encode(), "audience=an-audience&client_id=test-client&scope=openid+email"; got != want {
			t.Errorf("asked with %q, want %q", got, want)
		}
		o.begin(t)
		if got, want := o.asked.Encode(), "client_id=test-client&scope=openid"; got != want {
			t.Errorf("asked with %q, want %q", got, want)
		}
		if _, err := o.Authorize(t.Context(), "openid", "", "github"); err == nil || !strings.HasSuffix(err.Error(), "\nleave --connection out") {
			t.Errorf("a connection of another issuer: %v", err)
		}
		fals := New(FalIssuer, FalClientID, o.client.Transport)
		fals.know(Endpoints{Token: testIssuer + "/token", Keys: testIssuer + "/keys", Device: testIssuer + "/device"})
		o.device = `{"device_code":"d","user_code":"A B","verification_uri":"https://fal.example.com/x","verification_uri_complete":"https://fal.example.com/x?c=A+B"}`
		d, err := fals.Authorize(t.Context(), FalScopes, FalAudience, "github")
		if err != nil {
			t.Fatal(err)
		}
		want := falSeed + "?connection=github&user_code=A+B&verification_uri_complete=https%3A%2F%2Ffal.example.com%2Fx%3Fc%3DA%2BB"
		if d.URL != want || d.PlainURL != "https://fal.example.com/x" || d.UserCode != "A B" || !d.Expires.IsZero() {
			t.Errorf("%+v", d)
		}
	})
}

// Ctrl-C is heeded while an issuer does not answer, which ends by itself after 10 s.
func TestDeviceAuthorizationTakesLong(t *testing.T) {
	inOddBubble(t, func(t *testing.T, o *oddIssuer) {
		o.device = ""
		begun := time.Now()
		if _, err := o.Authorize(t.Context(), "openid", "", ""); err == nil || !strings.HasPrefix(err.Error(), testIssuer+" cannot be reached: no answer in time\ncheck the network and try again") || time.Since(begun) != 2*httpx.SideTimeout {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		for what, hang := range map[string]bool{"an answer": false, "a connection": true} {
			o.net.Set(nil, hang)
			ctx, interrupt := context.WithTimeoutCause(t.Context(), time.Second, errors.New("Ctrl-C"))
			defer interrupt()
			begun = time.Now()
			if _, err := o.Authorize(ctx, "openid", "", ""); !errors.Is(err, context.DeadlineExceeded) || err != ctx.Err() || time.Since(begun) != time.Second {
				t.Errorf("while it waits for %s: %v after %v", what, err, time.Since(begun))
			}
		}
	})
}

// RFC 8628 §3.5: what a person does, or does not do, ends it, and so does Ctrl-C.
func TestDeviceLoginEnds(t *testing.T) {
	inBubble(t, idp.Config{DeviceLife: 2 * time.Minute}, func(b *bubble) {
		begin := func() *DeviceLogin {
			d, err := b.Authorize(b.Context(), "openid", "", "")
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		d := begin()
		if err := b.idp.Deny(d.UserCode); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Wait(b.Context(), ignore); err != ErrDenied {
			t.Errorf("denied: %v", err)
		}
		d, begun := begin(), time.Now()
		if _, err := d.Wait(b.Context(), ignore); err != ErrExpired || time.Since(begun) > 2*time.Minute {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		ctx, interrupt := context.WithCancel(b.Context())
		time.AfterFunc(7*time.Second, interrupt)
		if _, err := begin().Wait(ctx, ignore); err != context.Canceled {
			t.Errorf("Ctrl-C: %v", err)
		}
	})
}

// R6: a refresh token in a 2xx body is kept, whatever else is wrong with it.
func TestDeviceLoginKeepsTheRefreshToken_R6(t *testing.T) {
	for body, want := range map[string]string{
		`{"refresh_token":"r"}`:                      "r",
		`{"refresh_token":"r","access_token":5}`:     "r",
		`{"refresh_token":"r","access_token":"a"`:    "r\na",
		`{"access_token":"a","token_type":"Bearer"}`: "",
		`null`: "", `<html>`: "",
	} {
		inOddBubble(t, func(t *testing.T, o *oddIssuer) {
			o.token = func(int) (int, string) { return http.StatusOK, body }
			login, err := o.begin(t).Wait(t.Context(), ignore)
			switch {
			case (err == nil) != (want != ""):
				t.Errorf("%s: %v", body, err)
			case err == nil && string(login.Reply.Tokens.Bytes()) != want:
				t.Errorf("%s: %q is granted", body, login.Reply.Tokens.Bytes())
			}
		})
	}
}

// R10: a login in doubt is granted and says so, and nothing is learned of it; a wrong one
// is refused and revoked.
func TestDeviceLoginIsVerified_R10(t *testing.T) {
	inBubble(t, idp.Config{AutoApprove: true, Interval: time.Second}, func(b *bubble) {
		grant := func() (*PendingLogin, error) {
			d, err := b.Authorize(b.Context(), FalScopes, FalAudience, "")
			if err != nil {
				t.Fatal(err)
			}
			return d.Wait(b.Context(), ignore)
		}
		l, err := grant()
		if err != nil || l.Subject != idp.DefaultSubject || l.Name == "" || l.Email == "" || l.Doubt != "" || !l.Verdict.Verified() || l.Verdict.Subject() != l.Subject {
			t.Fatalf("granted: %+v, %v", l, err)
		}
		b.keySet = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[]}`) }
		b.forgetKeys()
		l, err = grant()
		if err != nil || !strings.Contains(l.Doubt, "the login is kept, but its ID token could not be verified: none of the issuer's keys verifies it") ||
			l.Subject != "" || l.Name != "" || l.Email != "" || l.Verdict.Doubt == nil || l.Verdict.Verified() || !b.idp.Alive(l.Reply.Tokens.Refresh) {
			t.Fatalf("granted: %+v, %v", l, err)
		}
		asked := b.asked.Load()
		b.idp.SetConfig(func(c *idp.Config) { c.ClientID = "another" })
		refresh, access, raw := b.idp.Login("ann")
		b.idp.SetConfig(func(c *idp.Config) { c.ClientID = "test-client" })
		wrong := Reply{Tokens: tokenfile.TokenPair{Refresh: refresh, Access: access}, IDToken: parseIDToken(raw, time.Now())}
		_, err = (&DeviceLogin{issuer: b.Provider}).pending(b.Context(), wrong)
		if err == nil || !strings.Contains(err.Error(), "the issuer's answer is not trusted, and the login was not kept: its ID token is for another client\ntry again") {
			t.Errorf("a wrong one: %v", err)
		}
		if b.idp.Alive(refresh) || b.asked.Load() != asked {
			t.Errorf("alive is %v; the keys were asked for: %v", b.idp.Alive(refresh), b.asked.Load() != asked)
		}
	})
}
