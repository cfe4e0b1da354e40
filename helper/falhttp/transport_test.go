package falhttp_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/helper/falhttp"
	"github.com/falcred/falcred/helper/internal/testdaemon"
	"github.com/falcred/falcred/protocol"
)

func start(t *testing.T, teams ...idp.Team) (*fal, *http.Client) {
	t.Helper()
	f, err := startFal(teams...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.stop)
	return f, &http.Client{Transport: &falhttp.Transport{Client: f.Client, Base: f.Server.Client().Transport}}
}

func post(t *testing.T, client *http.Client, url string, body io.Reader) int {
	t.Helper()
	resp, err := client.Post(url, "text/plain", body)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// §4: after a 401 the token is Rejected, and the request is sent once more, with
// its whole body; a body that streams is sent once.
func TestOneRetryAfterA401(t *testing.T) {
	f, client := start(t)
	f.refuseOnce()
	if status := post(t, client, f.URL, strings.NewReader("prompt")); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	headers, bodies := f.seen()
	if len(headers) != 2 || bodies[0] != "prompt" || bodies[1] != "prompt" {
		t.Fatalf("the server saw %q", bodies)
	}
	if headers[0].Get("Authorization") == headers[1].Get("Authorization") {
		t.Error("the same token was sent again")
	}
	if n := f.idp.Stats().Refreshes; n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}

	f.refuseOnce() // within five minutes of the last refresh there is no other token
	if status := post(t, client, f.URL, strings.NewReader("prompt")); status != http.StatusUnauthorized {
		t.Errorf("status %d", status)
	}
	if _, bodies := f.seen(); len(bodies) != 1 {
		t.Errorf("the same token was tried %d times", len(bodies))
	}

	if err := f.login("ann"); err != nil {
		t.Fatal(err)
	}
	f.refuseOnce()
	stream := io.MultiReader(strings.NewReader("str"), strings.NewReader("eam")) // no GetBody
	if status := post(t, client, f.URL, stream); status != http.StatusUnauthorized {
		t.Errorf("status %d", status)
	}
	if _, bodies := f.seen(); len(bodies) != 1 || bodies[0] != "stream" {
		t.Errorf("the stream was sent as %q", bodies)
	}
}

// Nothing of ours goes to a host that is not served, by a redirect neither.
func TestOthersGetNothing(t *testing.T) {
	f, client := start(t)
	var got []http.Header
	foreign := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = append(got, r.Header.Clone()) }))
	defer foreign.Close()
	base := f.Server.Client().Transport.(*http.Transport).Clone()
	base.TLSClientConfig.InsecureSkipVerify = true // the other server is a test's too
	client.Transport.(*falhttp.Transport).Base = base
	post(t, client, foreign.URL, strings.NewReader("x"))
	post(t, client, f.URL+"?to="+foreign.URL, strings.NewReader("x"))
	if len(got) != 2 {
		t.Fatalf("the other server was asked %d times", len(got))
	}
	for _, header := range got {
		if header.Get("Authorization") != "" {
			t.Error("another host got the token")
		}
	}
	req, _ := http.NewRequest(http.MethodGet, f.URL, nil)
	req.Header.Set("Authorization", "Key mine")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	headers, _ := f.seen()
	if last := headers[len(headers)-1].Get("Authorization"); last != "Key mine" {
		t.Errorf("an own Authorization became %q", last)
	}
}

// body reports that it was closed.
type body struct {
	io.Reader
	closed bool
}

func (b *body) Close() error { b.closed = true; return nil }

// A request that cannot be authenticated is not sent.
func TestNothingIsSentWithoutACredential(t *testing.T) {
	f, client := start(t)
	client.Transport.(*falhttp.Transport).Client = helper.New(func(name string) (string, bool) {
		vars := map[string]string{"FAL_HOME_DIR": t.TempDir(), "FALCRED_SERVERS": f.URL}
		return vars[name], vars[name] != ""
	})
	b := &body{Reader: strings.NewReader("x")}
	if _, err := client.Post(f.URL, "text/plain", b); !errors.Is(err, helper.ErrNotRunning) || !b.closed {
		t.Errorf("Post: %v; the body was closed: %v", err, b.closed)
	}
	nobody := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), func(protocol.Request) any { return protocol.ErrNotFound })
	client.Transport.(*falhttp.Transport).Client = helper.New(func(name string) (string, bool) {
		vars := map[string]string{"FALCRED_SOCKET": nobody.Path, "FALCRED_SERVERS": f.URL}
		return vars[name], vars[name] != ""
	})
	if _, err := client.Get(f.URL); !errors.Is(err, protocol.ErrNotFound) || !strings.Contains(err.Error(), "falcred login") {
		t.Errorf("with nobody logged in: %v", err)
	}
	if headers, _ := f.seen(); len(headers) > 0 {
		t.Error("it was sent")
	}
}

// A team goes along as a header; a TokenSource, which cannot carry one, refuses.
func TestTeams(t *testing.T) {
	f, client := start(t, idp.Team{Nickname: "acme", UserID: "team_acme"})
	if err := os.WriteFile(filepath.Join(f.home, "config.toml"), []byte("[__internal__]\nteam = \"acme\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for cred := range f.Client.Watch(t.Context(), protocol.Query{ServerURL: protocol.DefaultServer}) {
		if cred.Headers["X-Fal-User-Id"] == "team_acme" {
			break
		}
	}
	post(t, client, f.URL, nil)
	headers, _ := f.seen()
	if got := headers[0].Get("X-Fal-User-Id"); got != "team_acme" {
		t.Errorf("X-Fal-User-Id: %q", got)
	}
	if token, err := falhttp.TokenSource(t.Context(), f.Client).Token(); !errors.Is(err, falhttp.ErrTeam) {
		t.Errorf("Token: %v, %v", token, err)
	}
	own := &http.Client{Transport: &falhttp.Transport{Client: f.Client, Base: f.Server.Client().Transport, Team: new("")}}
	post(t, own, f.URL, nil)
	if headers, _ = f.seen(); headers[0].Values("X-Fal-User-Id") != nil || headers[0].Get("Authorization") == "" {
		t.Errorf("a request for the login's own account: %v", headers[0])
	}
}

// Many requests beside rotations: none is refused.
func TestConcurrentRequestsAcrossRotations(t *testing.T) {
	f, client := start(t)
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			for range 20 {
				if status := post(t, client, f.URL, strings.NewReader("x")); status != http.StatusOK {
					t.Errorf("status %d", status)
				}
			}
		})
	}
	for range 5 {
		if err := f.login("ann"); err != nil {
			t.Error(err)
		}
	}
	work.Wait()
}

// §4: the daemon can be another user's, or at the far end of a forwarded socket: it attributes
// a request, and does not make another one of it.
func TestADaemonSetsNoOtherHeaders_Section4(t *testing.T) {
	socket := filepath.Join(testkit.ShortDir(t), "s")
	testdaemon.Serve(t, socket, func(protocol.Request) any {
		return protocol.Credential{Username: "Bearer", Secret: "t", Headers: map[string]string{"Host": "evil.example", "Cookie": "c", "Transfer-Encoding": "chunked",
			"Content-Length": "0", "Connection": "Authorization", "Authorization": "Basic x", "X-Fal-Target-Url": "https://evil.example", "X-Fal-User-Id": "u"}}
	})
	client := &helper.Client{Socket: socket}
	defer client.Close()
	var sent *http.Request
	base := roundTrip(func(req *http.Request) (*http.Response, error) {
		sent = req
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	})
	req, err := http.NewRequest(http.MethodPost, "https://fal.run/x", strings.NewReader("prompt"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&falhttp.Transport{Client: client, Base: base}).RoundTrip(req); err != nil {
		t.Fatal(err)
	}
	want := http.Header{"Authorization": {"Bearer t"}, "X-Fal-User-Id": {"u"}}
	if !reflect.DeepEqual(sent.Header, want) || sent.Host != "fal.run" || sent.ContentLength != int64(len("prompt")) {
		t.Errorf("%v, %s, %d bytes", sent.Header, sent.Host, sent.ContentLength)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
