package helper

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/helper/internal/testdaemon"
	"github.com/falcred/falcred/protocol"
)

var fal = protocol.Query{ServerURL: protocol.DefaultServer}

func client(t *testing.T, socket string) *Client {
	c := &Client{Socket: socket}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestClientSpeaksEveryVerb_Section4(t *testing.T) {
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), func(r protocol.Request) any {
		if r.Verb == protocol.VerbStatus {
			return protocol.Status{Home: "/h", State: protocol.StateLoggedIn}
		}
		return testdaemon.Bearer(r)
	})
	c, ctx := client(t, s.Path), t.Context()
	cred, err := c.Get(ctx, protocol.Query{ServerURL: "https://fal.run/x", ForceUser: true, MinValid: 5, Rejected: "old"})
	if err != nil || cred.Authorization() != "Bearer token" || !cred.Expires.Equal(testdaemon.Expiry) || cred.Headers["X-Fal-User-Id"] != "u1" {
		t.Errorf("Get = %s, %v", cred, err)
	}
	if list, err := c.List(ctx); err != nil || list["https://fal.run"] != "Bearer" {
		t.Errorf("List = %v, %v", list, err)
	}
	if st, err := c.Status(ctx); err != nil || st.State != protocol.StateLoggedIn {
		t.Errorf("Status = %v, %v", st, err)
	}
	if v, err := c.Version(ctx); err != nil || v.Protocol != protocol.Version {
		t.Errorf("Version = %v, %v", v, err)
	}
	if err := c.Store(ctx, protocol.Login{ServerURL: "x", Username: protocol.TokenUsername, Secret: "r"}); err != nil {
		t.Error(err)
	}
	if _, err := c.Erase(ctx, protocol.Query{ServerURL: "https://fal.run"}); err != nil {
		t.Error(err)
	}
	if _, err := c.End(ctx); err != nil {
		t.Error(err)
	}
	want := []string{`get {"ServerURL":"https://fal.run/x","ForceUser":true,"MinValid":5,"Rejected":"old"}`, "list", "status", "version",
		`store {"ServerURL":"x","Username":"<token>","Secret":"r"}`, "erase https://fal.run", "status", "stop"}
	if got := s.Lines(); !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

// S9, S10: the process that is told to be ending is the one that was asked to.
func TestEndAsksOneDaemon_S10(t *testing.T) {
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), func(r protocol.Request) any {
		if r.Verb == protocol.VerbStatus {
			return protocol.Status{PID: 17}
		}
		return testdaemon.Bearer(r)
	})
	status, err := client(t, s.Path).End(t.Context())
	if err != nil || status.PID != 17 || !slices.Equal(s.Lines(), []string{"status", "stop"}) || s.Dials() != 1 {
		t.Errorf("%+v, %v; %q on %d connections", status, err, s.Lines(), s.Dials())
	}
}

func TestClientReturnsTheDaemonsErrors_Section4(t *testing.T) {
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), func(protocol.Request) any { return protocol.ErrNotFound })
	if _, err := client(t, s.Path).Get(t.Context(), fal); !errors.Is(err, protocol.ErrNotFound) {
		t.Error(err)
	}
}

func TestClientKeepsItsConnection_Section4(t *testing.T) {
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), testdaemon.Bearer)
	c := client(t, s.Path)
	for range 10 {
		if _, err := c.Get(t.Context(), fal); err != nil {
			t.Fatal(err)
		}
	}
	if s.Stop(); s.Dials() != 1 {
		t.Errorf("%d connections for 10 requests in a row", s.Dials())
	}
}

func TestClientFindsARestartedDaemon_Section4(t *testing.T) {
	path := filepath.Join(testkit.ShortDir(t), "s")
	c := client(t, path)
	for range 3 {
		s := testdaemon.Serve(t, path, testdaemon.Bearer)
		var wg sync.WaitGroup
		for range 8 { // several idle connections, all dead after the restart
			wg.Go(func() {
				if _, err := c.Get(t.Context(), fal); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		s.Stop()
	}
	if _, err := c.Get(t.Context(), fal); err != ErrNotRunning {
		t.Errorf("without a daemon: %v", err)
	}
}

func TestClientRepeatsOnlyWhatMayBeRepeated_Section4(t *testing.T) {
	var hungUp sync.Map
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), func(r protocol.Request) any {
		if _, again := hungUp.LoadOrStore(r.Verb, true); !again {
			return nil
		}
		return testdaemon.Bearer(r)
	})
	c, ctx := client(t, s.Path), t.Context()
	if _, err := c.Get(ctx, fal); err != nil {
		t.Errorf("get is not repeated: %v", err)
	}
	if _, err := c.Erase(ctx, protocol.Query{ServerURL: "https://fal.run"}); codeOf(err) != protocol.CodeUnavailable {
		t.Errorf("erase: %v", err)
	}
	if err := c.Store(ctx, protocol.Login{ServerURL: "x", Username: "u"}); codeOf(err) != protocol.CodeUnavailable {
		t.Errorf("store: %v", err)
	}
	var verbs []string
	for _, line := range s.Lines() {
		verb, _, _ := strings.Cut(line, " ")
		verbs = append(verbs, verb)
	}
	if want := []string{"get", "get", "erase", "store"}; !slices.Equal(verbs, want) {
		t.Errorf("sent %q, want %q", verbs, want)
	}
}

func TestClientGivesUpOnADaemonThatAlwaysHangsUp_Section4(t *testing.T) {
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), func(protocol.Request) any { return nil })
	if _, err := client(t, s.Path).Get(t.Context(), fal); codeOf(err) != protocol.CodeUnavailable {
		t.Error(err)
	}
	if n := len(s.Lines()); n != 3 { // once more, lest that was a daemon in the moment of its death
		t.Errorf("asked %d times", n)
	}
}

func TestContextEndsTheRequestAndItsConnection_Section4(t *testing.T) {
	asked, release := make(chan bool), make(chan bool)
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), func(r protocol.Request) any {
		if r.Verb == protocol.VerbGet {
			asked <- true
			<-release
		}
		return testdaemon.Bearer(r)
	})
	c := client(t, s.Path)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := c.Get(ctx, fal)
		result <- err
	}()
	<-asked
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("Get = %v", err)
	}
	close(release)
	// The late answer must not be taken for this one's.
	if v, err := c.Version(t.Context()); err != nil || v.Version != "v0" {
		t.Errorf("Version = %v, %v", v, err)
	}
	if s.Stop(); s.Dials() != 2 {
		t.Errorf("%d connections, want a second one", s.Dials())
	}
}

func TestOneSlowGetDelaysNoOther_Section4(t *testing.T) {
	asked, release := make(chan bool), make(chan bool)
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), func(r protocol.Request) any {
		if strings.Contains(r.Payload, "slow") {
			asked <- true
			<-release
		}
		return testdaemon.Bearer(r)
	})
	c := client(t, s.Path)
	result := make(chan error)
	go func() {
		_, err := c.Get(t.Context(), protocol.Query{ServerURL: "https://slow.fal.run"})
		result <- err
	}()
	<-asked
	for range 3 {
		if _, err := c.Get(t.Context(), fal); err != nil {
			t.Error(err)
		}
	}
	close(release)
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func TestManyGoroutinesShareAClient_Section4(t *testing.T) {
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), testdaemon.Bearer)
	c := client(t, s.Path)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for i := range 20 {
				url := "https://" + strings.Repeat("a", i+1) + ".fal.run"
				if cred, err := c.Get(t.Context(), protocol.Query{ServerURL: url}); err != nil || cred.ServerURL != url {
					t.Errorf("asked for %s: %s, %v", url, cred, err)
				}
			}
		})
	}
	wg.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.idle); n == 0 || n > maxIdle {
		t.Errorf("%d idle connections", n)
	}
}

func TestClientSendsNoSecondRequest_Section4(t *testing.T) {
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), testdaemon.Bearer)
	c, ctx := client(t, s.Path), t.Context()
	for _, bad := range []string{"https://fal.run\nerase https://fal.run", "x\r", "x\x00", "x\ty", "\xff"} {
		_, err1 := c.Get(ctx, protocol.Query{ServerURL: bad})
		_, err2 := c.Get(ctx, protocol.Query{ServerURL: "x", Rejected: protocol.Secret(bad)})
		_, err3 := c.Erase(ctx, protocol.Query{ServerURL: bad})
		err4 := c.Store(ctx, protocol.Login{ServerURL: "x", Username: "u", Secret: protocol.Secret(bad)})
		for i, err := range []error{err1, err2, err3, err4} {
			if i == 3 && bad == "\xff" {
				continue // JSON cannot carry it: it arrives as U+FFFD
			}
			if codeOf(err) != protocol.CodeBadRequest && !errors.Is(err, protocol.ErrNoServerURL) {
				t.Errorf("%q (%d): %v", bad, i, err)
			}
		}
	}
	for _, line := range s.Lines() {
		if !strings.HasPrefix(line, "store ") || strings.ContainsAny(line, "\r\x00\t") {
			t.Errorf("sent %q", line)
		}
	}
}

func TestClientRefusesACredentialThatWouldBecomeTwoHeaders_Section4(t *testing.T) {
	for _, cred := range []protocol.Credential{
		{Username: "Bearer", Secret: "a\r\nX: y"}, {Username: "Bearer\n", Secret: "a"}, {Username: "Bearer"}, {Secret: "a"},
		{Username: "Bearer x", Secret: "a"}, {Username: "Bearer", Secret: "a\x1b[2J"}, {Username: "Bearer", Secret: "a\u009b"}, {Username: "Bearer", Secret: "a\u202eb"},
		{Username: "Bearer", Secret: "a", Headers: map[string]string{"X": "a\nb"}},
		{Username: "Bearer", Secret: "a", Headers: map[string]string{"X-Fal-User-Id": "a\u2028b"}},
		{Username: "Bearer", Secret: "a", Headers: map[string]string{"X-Fal-User-Id": "a\x7f"}},
		{Username: "Bearer", Secret: "a", Headers: map[string]string{"X: y\nZ": "a"}},
		{Username: "Bearer", Secret: "a", Headers: map[string]string{"X-Fal-Ü": "a"}},
		{Username: "Bearer", Secret: "a", Headers: map[string]string{"": "a"}},
		{Username: "Bearer", Secret: "a", Headers: map[string]string{"X-Fal-User-Id": "a", "x-fal-user-id": "b"}},
	} {
		s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), func(protocol.Request) any { return cred })
		if got, err := client(t, s.Path).Get(t.Context(), fal); codeOf(err) != protocol.CodeInternal || got.Secret != "" {
			t.Errorf("%q: %v", cred.Secret, err)
		}
		for got, err := range client(t, s.Path).Watch(t.Context(), fal) {
			if codeOf(err) != protocol.CodeInternal || got.Secret != "" {
				t.Errorf("watch: %q: %v", cred.Secret, err)
			}
			break
		}
	}
}

// §4: beside Authorization a daemon sets headers of fal's, and no others.
func TestClientTakesFalsHeadersOnly_Section4(t *testing.T) {
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), func(protocol.Request) any {
		return protocol.Credential{Username: "Bearer", Secret: "a", Headers: map[string]string{
			"X-Fal-User-Id": "u", "x-fal-later": "l", "Host": "evil.example", "Transfer-Encoding": "chunked", "Cookie": "c", "Authorization": "Basic x",
			"Content-Length": "0", "X-Forwarded-For": "x", "X-Fal": "x", "X-Fal-Target-Url": "https://evil.example",
		}}
	})
	want := map[string]string{"X-Fal-User-Id": "u", "x-fal-later": "l"}
	if got, err := client(t, s.Path).Get(t.Context(), fal); err != nil || !maps.Equal(got.Headers, want) {
		t.Errorf("%v, %v", got.Headers, err)
	}
	for got, err := range client(t, s.Path).Watch(t.Context(), fal) {
		if err != nil || !maps.Equal(got.Headers, want) {
			t.Errorf("watch: %v, %v", got.Headers, err)
		}
		break
	}
}

// §4: what a daemon says reaches no program as it came.
// §4: whoever asks for a team takes no credential that is for another account, as Get and as Watch give it:
// a key's, or an older daemon's.
func TestATeamThatIsAskedForIsWanted_Section4(t *testing.T) {
	for name, answer := range map[string]protocol.Credential{
		"a key":           {ServerURL: "https://fal.run", Username: "Key", Secret: "a:b"},
		"an older daemon": {ServerURL: "https://fal.run", Username: "Bearer", Secret: "t"},
		"another team":    {ServerURL: "https://fal.run", Username: "Bearer", Secret: "t", Team: new("beta")},
	} {
		s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), func(protocol.Request) any { return answer })
		c := &Client{Socket: s.Path}
		q := protocol.Query{ServerURL: "https://fal.run", Team: new("acme")}
		if cred, err := c.Get(t.Context(), q); err == nil || protocol.AsError(err).Code != protocol.CodeTeamUnresolved || cred.Secret != "" {
			t.Errorf("%s: Get: %v", name, err)
		}
		for cred, err := range c.Watch(t.Context(), q) {
			if err == nil || protocol.AsError(err).Code != protocol.CodeTeamUnresolved || cred.Secret != "" {
				t.Errorf("%s: Watch: %v", name, err)
			}
			break
		}
		c.Close()
	}
}

func TestWhatADaemonSaysIsPrintable_Section4(t *testing.T) {
	const hostile = "a\x1b[2J\u009b\u202e\u2028"
	answer := any(protocol.Status{Home: hostile, Version: hostile, State: hostile, Warnings: []string{hostile + "\n" + hostile}})
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), func(protocol.Request) any { return answer })
	c := client(t, s.Path)
	status, err := c.Status(t.Context())
	if text := status.Home + status.Version + status.State + strings.Replace(status.Warnings[0], "\n", "", 1); err != nil || protocol.Printable(text) != text {
		t.Errorf("%q, %v", text, err)
	}
	answer = protocol.Errorf(protocol.CodeInternal, hostile+"\n"+hostile)
	for name, err := range everyVerb(t, c) {
		text, hint, _ := strings.Cut(err.Error(), "\n")
		if protocol.Printable(text+hint) != text+hint {
			t.Errorf("%s: %q", name, err)
		}
	}
}

func TestSecondPlaceIsUsedForTheSameHomeOnly_Section3(t *testing.T) {
	home, other, run := testkit.ShortDir(t), testkit.ShortDir(t), testkit.ShortDir(t)
	env := map[string]string{"FAL_HOME_DIR": home, "XDG_RUNTIME_DIR": run}
	var served string
	s := testdaemon.Serve(t, filepath.Join(run, "falcred.sock"), func(r protocol.Request) any {
		if r.Verb == protocol.VerbStatus {
			return protocol.Status{Home: served}
		}
		return testdaemon.Bearer(r)
	})
	for _, tt := range []struct {
		served string
		want   error
	}{{home, nil}, {home + "/.", nil}, {other, ErrNotRunning}, {"", ErrNotRunning}} {
		served = tt.served
		c := New(testdaemon.Lookup(env))
		if _, err := c.Get(t.Context(), fal); err != tt.want {
			t.Errorf("a daemon for %q: %v", tt.served, err)
		}
		c.Close()
	}
	before := len(s.Lines())
	first := testdaemon.Serve(t, filepath.Join(home, "falcred.sock"), testdaemon.Bearer)
	c := New(testdaemon.Lookup(env))
	defer c.Close()
	if _, err := c.Get(t.Context(), fal); err != nil || len(first.Lines()) != 1 || len(s.Lines()) != before {
		t.Errorf("the home's own socket is not the first: %v", err)
	}
}

func TestAHomeTooLongForASocketLeavesTheSecondPlace_S2(t *testing.T) {
	testkit.OnWindows(t, "an address is a file, of any path")
	home := filepath.Join(testkit.ShortDir(t), strings.Repeat("a", 120))
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	run := testkit.ShortDir(t)
	testdaemon.Serve(t, filepath.Join(run, "falcred.sock"), func(r protocol.Request) any {
		if r.Verb == protocol.VerbStatus {
			return protocol.Status{Home: home}
		}
		return testdaemon.Bearer(r)
	})
	c := New(testdaemon.Lookup(map[string]string{"FAL_HOME_DIR": home, "XDG_RUNTIME_DIR": run}))
	defer c.Close()
	if _, err := c.Get(t.Context(), fal); err != nil {
		t.Error(err)
	}
	_, err := New(testdaemon.Lookup(map[string]string{"FAL_HOME_DIR": home, "XDG_RUNTIME_DIR": ""})).Get(t.Context(), fal)
	if err == nil || !strings.Contains(err.Error(), "FALCRED_SOCKET") {
		t.Errorf("no hint: %v", err)
	}
}

func TestAStaleSocketAndAFileAreNoDaemon_S2(t *testing.T) {
	dir := testkit.ShortDir(t)
	if err := testdaemon.Stale(filepath.Join(dir, "stale")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"stale", "file", "missing", "file/below", "missing/below"} {
		if _, err := client(t, filepath.Join(dir, name)).Get(t.Context(), fal); err != ErrNotRunning {
			t.Errorf("%s: %v", name, err)
		}
	}
}
