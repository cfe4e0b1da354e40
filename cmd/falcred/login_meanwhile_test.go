//go:build unix

package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/env"
)

// Of two logins at once none is lost without a word: what was asked at first was about another one.
func TestTwoLoginsAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name, before, account, answer string // "" where nobody is there to be asked, "-" where nothing is asked
		stays                         bool
	}{
		{"nobody was there, no", "", "auth0|ada", "\n", true},
		{"nobody was there, yes", "", "auth0|ada", "y\n", false},
		{"nobody was there, the same twice", "", "auth0|bob", "-", false},
		{"another was there, no", "auth0|ada", "auth0|ada", "n\n", true},
		{"another was there, from a script", "auth0|ada", "auth0|ada", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newScreen(t, 24, 80)
			s.keyless = tt.answer == ""
			if tt.before != "" {
				s.login()
			}
			s.start(nil, "login", "--no-browser")
			if tt.before != "" && tt.answer != "" {
				s.types(`Log in again\? \[y/N\] `, "y\n")
				s.types(`As another account\?`, "\n")
			}
			code := s.until(anyCode)[1]

			bob := &screen{T: t, vt: newVT(24, 80), idp: s.idp, home: s.home, done: make(chan struct{}), keyless: true}
			bob.start(nil, "login", "--no-browser")
			testkit.Must(t, s.idp.Approve(bob.until(anyCode)[1], "auth0|bob"))
			bob.until(`logged in.*, bob`)
			if got := bob.ends(); got != 0 {
				t.Fatalf("exit status %d\n%s", got, bob.shown())
			}
			bobs, _ := readTokens(filepath.Join(s.home, env.TokenFile))

			testkit.Must(t, s.idp.Approve(code, tt.account))
			if tt.answer == "" || tt.answer == "-" {
				s.until(`bob \(bob@example\.com\) has logged in here meanwhile; this login replaces that`)
			} else {
				s.until(`bob \(bob@example\.com\) has logged in here meanwhile\.`)
				s.types(`in the place of that\s+one\? \[y/N\] `, tt.answer)
			}
			if !tt.stays && tt.answer != "" {
				s.types("Enter keeps", "\n")
				s.wantsNoService()
			}
			got := s.ends()
			now, _ := readTokens(filepath.Join(s.home, env.TokenFile))
			if got != 0 || tt.stays != (now == bobs) || tt.stays != strings.Contains(s.shown(), "nothing was changed") || !s.idp.Alive(now) {
				t.Errorf("exit status %d, bob's login stays: %v\n%s", got, now == bobs, s.shown())
			}
		})
	}
}

// front is before an issuer, and counts the codes that it is asked for. logout says whether it names
// an address at which a browser logs out.
func front(t *testing.T, issuer string, logout bool) (address string, codes *atomic.Int64) {
	t.Helper()
	to, err := url.Parse(issuer)
	testkit.Must(t, err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	var server *httptest.Server
	proxy.ModifyResponse = func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		body = bytes.ReplaceAll(body, []byte(issuer), []byte(server.URL))
		if !logout {
			body = bytes.ReplaceAll(body, []byte(`"end_session_endpoint"`), []byte(`"none"`))
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.Header.Del("Content-Length")
		return err
	}
	codes = new(atomic.Int64)
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "device") {
			codes.Add(1)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, codes
}

// C8: a code is good for some minutes, and is asked for once the browser has logged out. Where the
// issuer has no page for that, nobody is asked about another account.
func TestLogoutComesBeforeTheCode_C8(t *testing.T) {
	for _, logout := range []bool{true, false} {
		t.Run(map[bool]string{true: "a page", false: "no page"}[logout], func(t *testing.T) {
			t.Parallel()
			s := newScreen(t, 24, 80)
			refresh, _, _ := s.idp.Login("auth0|ada")
			testkit.Must(t, writeTokens(filepath.Join(s.home, env.TokenFile), refresh, ""))
			address, codes := front(t, s.idp.URL, logout)
			s.start([]string{"FALCRED_ISSUER=" + address}, "login", "--no-browser")
			s.types(`Log in again\? \[y/N\] `, "y\n")
			if logout {
				s.types(`As another account\?`, "y\n")
				s.until(`Press Enter when it has logged out: `)
				if n := codes.Load(); n != 0 {
					t.Errorf("%d codes were asked for before", n)
				}
				s.keys.WriteString("\n")
			}
			s.until("Open this address")
			if n := codes.Load(); n != 1 || logout != strings.Contains(s.shown(), "As another account?") {
				t.Errorf("%d codes were asked for\n%s", n, s.shown())
			}
			s.keys.WriteString("\x03")
			if got := s.ends(); got != exitInterrupted {
				t.Errorf("exit status %d\n%s", got, s.shown())
			}
		})
	}
}
