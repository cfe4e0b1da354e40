package login

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
)

// gateway is what stands between this machine and its issuer: it answers in the issuer's place.
type gateway struct {
	status     int
	kind, body string
	only       string // it lets all pass but paths with this in them
}

func (g gateway) String() string { return fmt.Sprintf("%d %s", g.status, g.kind) }

const signInPage = "<!doctype html><title>Welcome</title><p>Sign in to this network"

func page(status int) gateway { return gateway{status: status, kind: "text/html", body: signInPage} }

func (w *world) stand(g gateway) {
	handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, g.only) {
			w.idp.ServeHTTP(rw, r)
			return
		}
		rw.Header().Set("Content-Type", g.kind)
		rw.Header().Set("Location", "http://portal.test/")
		rw.WriteHeader(g.status)
		io.WriteString(rw, g.body)
	})
	w.gateway.Store(&handler)
}

func (w *world) leaves() { w.gateway.Store(nil) }

// wantProblem is what people are told about what stands between.
func (w *world) wantProblem(text, hint string) {
	w.Helper()
	s := w.Snapshot().Status()
	if !strings.Contains(s.LastError, text) || !strings.Contains(s.Hint, hint) || strings.Contains(s.Hint, "log in:") {
		w.Errorf("it says %q, %q; want %q, %q", s.LastError, s.Hint, text, hint)
	}
}

const (
	somethingBetween = "something between this machine and the issuer answers: status "
	proxyHint        = "sign in to this network, or set HTTPS_PROXY"
)

// R8: a gateway that answers for some seconds costs a minute or two, whatever its status and
// its words, and is named meanwhile.
func TestGatewayForSeconds_R8(t *testing.T) {
	manyDays(t)
	t.Parallel()
	var gateways []gateway
	for _, status := range []int{200, 204, 302, 307, 400, 401, 403, 404, 405, 407, 408, 421, 451} {
		gateways = append(gateways, page(status))
	}
	for _, body := range []string{`{"error":"Forbidden"}`, `{"error":{"code":403}}`, `{"error":"access denied by policy"}`} {
		gateways = append(gateways, gateway{status: 403, kind: "application/json", body: body})
	}
	gateways = append(gateways, gateway{status: 404, kind: "application/json", body: `{"error":"invalid_grant"}`})
	for _, g := range gateways {
		t.Run(g.String()+" "+strings.TrimPrefix(g.body, signInPage), func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
				w.signIn("ann")
				w.start()
				old := w.mustGet()
				w.pass(59*time.Minute + 58*time.Second)
				w.stand(g)
				w.pass(5 * time.Second)
				if w.mustGet() != old {
					t.Fatal("the valid token is not served (R9)")
				}
				w.wantProblem(fmt.Sprintf("%s%d, %s", somethingBetween, g.status, g.kind), proxyHint)
				w.leaves()
				w.pass(2 * time.Minute)
				if w.mustGet() == old {
					t.Errorf("no new token\n%s", w.log)
				}
				if p := w.Snapshot().Status(); p.LastError != "" {
					t.Errorf("it still says %q", p.LastError)
				}
				w.wantAlive()
				w.wantNoEntries()
			})
		})
	}
}

// R8, R9: a gateway that answers until the token has run out, and a restart meanwhile, end no
// login. It is back two minutes after the gateway has gone, and nobody was told to log in.
func TestGatewayOutlivesTheToken_R8R9(t *testing.T) {
	manyDays(t)
	t.Parallel()
	for _, g := range []gateway{page(302), page(403), {status: 403, kind: "application/json", body: `{"error":"Forbidden"}`}} {
		for _, restart := range []bool{false, true} {
			if restart && g != page(403) {
				continue
			}
			t.Run(fmt.Sprintf("%v, restarted: %v", g, restart), func(t *testing.T) {
				inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
					w.signIn("ann")
					w.start()
					token := w.mustGet()
					w.pass(time.Minute)
					w.stand(g)
					w.pass(118 * time.Minute)
					if w.mustGet() != token {
						t.Fatal("the valid token is not served")
					}
					if restart {
						w.kill()
						w.start()
					}
					w.pass(10 * time.Minute)
					w.wantCode(protocol.CodeUnavailable)
					w.wantProblem("something between this machine and", proxyHint)
					w.leaves()
					w.pass(2 * time.Minute)
					w.mustGet()
					w.wantAlive()
					w.wantNoEntries()
					w.kill() // the history is on the disk
					list, err := events.Read(w.home)
					if err != nil {
						t.Fatal(err)
					}
					told := ""
					for _, e := range list {
						told += e.Event + ": " + e.Cause + "\n"
					}
					if !strings.Contains(told, fmt.Sprintf("answers: status %d, %s", g.status, g.kind)) || strings.Contains(told, events.LoginRequired) {
						t.Errorf("the history:\n%s", told)
					}
				})
			})
		}
	}
}

// R8, R7: a filter that looks at answers has let the request through: what it kept back is asked
// for again while the issuer's overlap lasts, whatever it said instead, and however fresh the
// access token is.
func TestGatewayThatKeepsTheAnswer_R7R8(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 302, 403, 502} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Overlap: 30 * time.Second}, func(w *world) {
				w.signIn("ann")
				w.start()
				kept := idp.HTML(status)
				kept.NoCommit = false
				w.idp.Inject(kept)
				old := w.mustGet()
				w.refresh(old)
				w.pass(10 * time.Second)
				if w.mustGet() == old {
					t.Errorf("no new token\n%s", w.log)
				}
				w.wantAlive()
				w.wantNoEntries()
			})
		})
	}
}

// R7: a gateway that asks for a pause gets one, of an hour at most, and one that asks for less
// than our own gets no storm.
func TestGatewayAsksForAPause_R7(t *testing.T) {
	manyDays(t)
	t.Parallel()
	for value, want := range map[string]span{"600": {6, 8}, "99999999999": {1, 2}, "1": anHour} {
		t.Run(value, func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 4 * time.Hour}, func(w *world) {
				w.signIn("ann")
				w.start()
				gateway := idp.HTML(http.StatusForbidden)
				gateway.Header.Set("Retry-After", value)
				w.idp.SetFault(&gateway)
				w.pass(2*time.Hour + time.Second)
				w.pass(59 * time.Minute)
				if n := w.idp.Stats().TokenRequests - 1; !want.holds(n) {
					t.Errorf("%d requests in an hour, want %v", n, want)
				}
			})
		})
	}
}

// R8: the issuer's other errors are its word with status 200 too (casdoor): everything is kept,
// and tried hourly. What is wrong with the client is said.
func TestIssuerRefusesWith200_R8(t *testing.T) {
	manyDays(t)
	t.Parallel()
	for _, c := range []struct {
		status     int
		code, hint string
	}{
		{200, "invalid_client", "FALCRED_CLIENT_ID"}, {401, "invalid_client", "FALCRED_CLIENT_ID"},
		{400, "unauthorized_client", "FALCRED_CLIENT_ID"}, {200, "invalid_request", LoginHint}, {400, "invalid_scope", LoginHint},
	} {
		t.Run(fmt.Sprint(c.status, c.code), func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
				w.signIn("ann")
				w.start()
				refuses := idp.OAuthError(c.status, c.code)
				w.idp.SetFault(&refuses)
				w.pass(61 * time.Minute)
				s := w.Snapshot().Status()
				if want := fmt.Sprintf("the issuer refuses the refresh: status %d (%s)", c.status, c.code); s.LastError != want || !strings.Contains(s.Hint, c.hint) {
					t.Errorf("%q, %q", s.LastError, s.Hint)
				}
				w.pass(58 * time.Minute)
				w.wantRequests(2, "hourly")
				w.idp.SetFault(nil)
				w.pass(2 * time.Minute)
				w.mustGet()
				w.wantAlive()
				w.wantNoEntries()
			})
		})
	}
}

// R8: invalid_grant with status 200 is the end of the login, as with any other.
func TestRejectedWith200_R8(t *testing.T) {
	manyDays(t)
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		rejects := idp.OAuthError(200, "invalid_grant")
		w.idp.SetFault(&rejects)
		w.signIn("ann")
		w.start()
		w.wantCode(protocol.CodeLoginRequired)
		w.pass(24 * time.Hour)
		w.wantRequests(1, "it is not sent again")
	})
}

// F7, R8: a captive portal's page does not decide that a file which vanished was a logout, and
// neither do the issuer's keys where refreshes do not pass: other programs delete the file for
// that. The next refresh that the issuer hears decides.
func TestVanishedBehindAGateway_F7R8(t *testing.T) {
	manyDays(t)
	t.Parallel()
	for _, g := range []gateway{page(200), page(404), {status: 200, kind: "application/json", body: `{"error":"Blocked"}`}, {status: 403, kind: "text/html", body: signInPage, only: "/oauth/token"}} {
		for _, loggedOut := range []bool{false, true} {
			if loggedOut && g.only == "" && g.status != 200 {
				continue
			}
			t.Run(fmt.Sprintf("%v %s, logged out: %v", g, g.only, loggedOut), func(t *testing.T) {
				inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
					w.signIn("ann")
					w.start()
					held := w.inFile()
					w.stand(g)
					w.pass(61 * time.Minute)
					if err := os.Remove(w.path); err != nil {
						t.Fatal(err)
					}
					w.pass(time.Minute)
					w.wantCode(protocol.CodeUnavailable)
					w.pass(10 * time.Minute)
					if loggedOut {
						w.idp.RevokeFamily(held.Refresh)
					}
					w.leaves()
					w.pass(2 * time.Minute)
					if loggedOut {
						w.wantCode(protocol.CodeNotFound)
						return
					}
					w.mustGet()
					w.wantAlive()
				})
			})
		}
	}
}

// R8: a page is no revocation. Who logs out behind a gateway is told so, and still logged in.
func TestLogoutBehindAGateway_R8(t *testing.T) {
	for _, c := range []struct {
		gateway
		want, hint string
	}{
		{page(200), "something between this machine and it answers: status 200, text/html\n", proxyHint},
		{page(403), "something between this machine and it answers: status 403, text/html\n", proxyHint},
		{gateway{status: 200, kind: "application/json", body: `{"error":"invalid_client"}`}, "it refuses: status 200 (invalid_client)\n", "FALCRED_CLIENT_ID"},
		{page(502), "it, or a gateway before it, answers with status 502, text/html\n", "try again when the issuer can be reached"},
	} {
		inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
			w.signIn("ann")
			w.start()
			w.mustGet()
			held := w.inFile()
			w.stand(c.gateway)
			_, err := w.logout(false, false)
			if err == nil || !strings.HasPrefix(err.Error(), "still logged in: revoking at "+testIssuer+" failed: "+c.want) || !strings.Contains(err.Error(), c.hint) ||
				!strings.HasSuffix(err.Error(), ", or delete it here only: falcred logout --local") {
				t.Errorf("%v: %v", c.gateway, err)
			}
			if w.inFile() != held || !w.idp.Alive(held.Refresh) {
				t.Errorf("%v: the login is gone", c.gateway)
			}
			w.mustGet()
			w.leaves()
			if done := w.signsOut(false); !done.Revoked || w.idp.Alive(held.Refresh) {
				t.Errorf("afterwards: %+v", done)
			}
		})
	}
}

// R8: who answers for fal's REST host is told by the same rule, and its pause is kept (R7).
func TestTeamBehindAGateway_R7R8(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 12 * time.Hour, Teams: acme}, func(w *world) {
		if err := os.WriteFile(filepath.Join(w.home, "config.toml"), []byte("[__internal__]\nteam = 'acme'\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		g := page(http.StatusForbidden)
		g.only = "/users/teams"
		w.stand(g)
		w.signIn("ann")
		w.start()
		w.wantCode(protocol.CodeTeamUnresolved)
		if s := w.Snapshot().Status(); !strings.Contains(s.LastError, "something between this machine and it answers: status 403, text/html") || !strings.Contains(s.Hint, proxyHint) {
			t.Errorf("%q, %q", s.LastError, s.Hint)
		}
		w.leaves()
		w.pass(2 * time.Minute)
		w.mustGet()
	})
	inBubble(t, idp.Config{Lifetime: 12 * time.Hour, Teams: acme}, func(w *world) {
		if err := os.WriteFile(filepath.Join(w.home, "config.toml"), []byte("[__internal__]\nteam = 'acme'\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		asked := 0
		patient := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/users/teams" {
				asked++
				rw.Header().Set("Retry-After", "600")
				rw.WriteHeader(http.StatusTooManyRequests)
				return
			}
			w.idp.ServeHTTP(rw, r)
		})
		w.gateway.Store(&patient)
		w.signIn("ann")
		w.start()
		w.pass(599 * time.Second)
		if asked != 1 {
			t.Errorf("asked %d times within the pause", asked)
		}
		w.leaves()
		w.pass(2 * time.Minute)
		w.mustGet()
	})
}

// R7, R10: who answers for the issuer's keys may ask for a pause, too.
func TestKeysAskForAPause_R7R10(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 12 * time.Hour}, func(w *world) {
		patient := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Retry-After", "600")
			rw.WriteHeader(http.StatusTooManyRequests)
		})
		w.keySet.Store(&patient)
		w.signIn("ann")
		w.start()
		w.mustGet()
		before := w.asked.Load()
		w.pass(599 * time.Second)
		if n := w.asked.Load() - before; before != 1 || n != 0 {
			t.Errorf("asked %d times, and %d times within the pause", before, n)
		}
		w.pass(2 * time.Second)
		if n := w.asked.Load() - before; n != 1 {
			t.Errorf("asked %d times after it", n)
		}
	})
}

// R8: a token that is brought behind a gateway is not stored, and who said so is told.
func TestStoreBehindAGateway_R8(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		held := w.inFile()
		w.stand(page(http.StatusForbidden))
		offered, _, _ := w.idp.Login("ann")
		err := w.Store(protocol.Login{ServerURL: protocol.DefaultServer, Username: protocol.TokenUsername, Secret: protocol.Secret(offered)}, Client{})
		if codeOf(err) != protocol.CodeUnavailable || !strings.HasPrefix(err.Error(), "not stored: "+somethingBetween+"403, text/html\n") || !strings.Contains(err.Error(), proxyHint) {
			t.Errorf("%v", err)
		}
		if w.inFile() != held {
			t.Error("the file was touched")
		}
	})
}
