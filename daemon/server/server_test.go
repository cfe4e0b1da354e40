//go:build linux || darwin || windows

package server

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

// Every verb, over the real socket.
func TestVerbs(t *testing.T) {
	h := newHouse(t, idp.Config{})
	_, access := h.SignIn("ann")
	h.serve(nil)
	c := h.Dial()
	var got protocol.Credential
	if err := c.Ask(`get {"ServerURL":"https://fal.run","Unknown":1}`, &got); err != nil {
		t.Fatal(err)
	}
	if got.Authorization() != "Bearer "+access || time.Until(got.Expires) < time.Hour {
		t.Errorf("get: %v until %v", got, got.Expires)
	}
	list := map[string]string{}
	if err := c.Ask("list", &list); err != nil || list["https://fal.run"] != "Bearer" {
		t.Errorf("list: %v, %v", list, err)
	}
	var version protocol.VersionAnswer
	if err := c.Ask("version", &version); err != nil || version != (protocol.VersionAnswer{Version: "test", Protocol: protocol.Version}) {
		t.Errorf("version: %v, %v", version, err)
	}
	var s protocol.Status
	if err := c.Ask("status", &s); err != nil {
		t.Fatal(err)
	}
	if s.Version != "test" || s.Protocol != protocol.Version || s.PID != os.Getpid() || s.Socket != h.Sock || s.Home != h.cfg.Home ||
		s.State != protocol.StateLoggedIn || s.Clients != 1 || s.Connections != 1 || time.Since(s.Since) > time.Minute {
		t.Errorf("status: %+v", s)
	}

	refresh, _, _ := h.IDP.Login("auth0|someone") // the login in the file says ann
	if err := c.Ask(storing(refresh), nil); err == nil || c.Secret() != access {
		t.Errorf("another account's login was stored: %v", err)
	}
	refresh, _, _ = h.IDP.Login("ann")
	c.Send(storing(refresh) + "\n")
	if line := c.Line(); line != "{}" {
		t.Errorf("store: %s", line)
	}
	if c.Secret() == access {
		t.Error("the stored login is not served")
	}
	c.Send("erase https://fal.run\n")
	if line := c.Line(); line != `{"Revoked":true}` {
		t.Errorf("erase: %s", line)
	}
	c.WantCode("get https://fal.run", protocol.CodeNotFound)
	if !testkit.Gone(h.File) || h.IDP.Stats().Revocations == 0 {
		t.Error("the login is not revoked and deleted")
	}
}

func storing(refresh string) string {
	return `store {"ServerURL":"https://fal.run","Username":"` + protocol.TokenUsername + `","Secret":"` + refresh + `"}`
}

// Pipelined requests are answered in order, whoever else asks.
func TestPipelining(t *testing.T) {
	h := newHouse(t, idp.Config{})
	h.SignIn("ann")
	h.serve(nil)
	var group sync.WaitGroup
	for range 30 {
		c := h.Dial()
		group.Go(func() {
			var requests bytes.Buffer
			for i := range 200 {
				fmt.Fprintf(&requests, "get https://h%d.fal.run\nnonsense\n", i)
			}
			go c.Write(requests.Bytes())
			for i := range 200 {
				c.SetReadDeadline(time.Now().Add(testkit.Patience))
				line, err := c.In.ReadLine()
				var got protocol.Credential
				if err == nil {
					err = protocol.ParseAnswer(line, &got)
				}
				if want := fmt.Sprintf("https://h%d.fal.run", i); err != nil || got.ServerURL != want {
					t.Errorf("answer %d is for %q: %v", i, got.ServerURL, err)
					return
				}
				if line, err = c.In.ReadLine(); err != nil || !strings.Contains(line, "bad_request") {
					t.Errorf("after answer %d: %.100q, %v", i, line, err)
					return
				}
			}
		})
	}
	group.Wait()
}

// No client delays another: not by half a request, not by not reading, not by
// waiting for a refresh.
func TestNobodyWaitsForAnother(t *testing.T) {
	h := newHouse(t, idp.Config{})
	_, access := h.SignIn("ann")
	hold := idp.NewHold()
	h.IDP.Inject(hold.Before())
	s := h.serve(func(s *Server) { s.answerTimeout = 200 * time.Millisecond })
	half, deaf, waiting := h.Dial(), h.Dial(), h.Dial()
	half.Send("get https")
	flooded := make(chan error)
	go func() { // never reads: its answers fill the kernel's buffer
		_, err := io.Copy(deaf.Conn, strings.NewReader(strings.Repeat("get https://fal.run\n", 100_000)))
		flooded <- err
	}()
	waiting.Send(`get {"ServerURL":"https://fal.run","Rejected":"` + access + `"}` + "\n")
	<-hold.Arrived
	quick := h.Dial()
	for range 1000 {
		if quick.Secret() != access {
			t.Fatal("another token")
		}
	}
	if err := <-flooded; err == nil {
		t.Error("a client that does not read was not hung up on")
	}
	close(hold.Release)
	if got := waiting.Next(); got == access || len(got) < 100 {
		t.Errorf("the one that waited got %.20q", got)
	}
	half.Close()
	waiting.Close()
	h.Eventually("only the quick one is connected", func() bool { return s.status().Connections == 1 })
}

// A watcher that does not read is skipped forward and delays nobody.
func TestSlowWatcher(t *testing.T) {
	h := newHouse(t, idp.Config{})
	m := h.open()
	s := h.serveLogin(m, nil)
	slow, fast := h.Dial(), h.Dial()
	slow.Send("watch https://fal.run\n")
	fast.Send("watch https://fal.run\n")
	fast.Until("not_found")
	if got := slow.Next(); got != "not_found" {
		t.Fatal(got)
	}
	end := time.Now().Add(time.Hour)
	secret := func(i int) string { return opaque(fmt.Sprint(i), 3000, end) }
	for i := range changes {
		h.become(m, "r", secret(i))
		if i%(changes/10) == 0 {
			fast.Until(secret(i)) // while slow has long stopped the writer
		}
	}
	fast.Until(secret(changes - 1))
	lines := 1
	for slow.Next() != secret(changes-1) {
		lines++
	}
	if lines >= changes {
		t.Errorf("%d lines: nothing was skipped", lines)
	}
	slow.Close()
	fast.Close()
	h.Eventually("the watchers' leaving is noticed", func() bool { return s.status().Connections == 0 })
}

// A watcher hears of each change once, and of nothing that is none.
func TestWatchOnlyChanges(t *testing.T) {
	h := newHouse(t, idp.Config{})
	m := h.open()
	h.serveLogin(m, nil)
	w := h.Dial()
	w.Send("watch https://fal.run\nversion\n")
	if got := w.Next(); got != "not_found" {
		t.Fatal(got)
	}
	end := time.Now().Add(time.Hour)
	other := h.Dial()
	for i := range 20 {
		access := opaque(fmt.Sprint(i), 0, end)
		h.become(m, "r", access)
		for n := range 5 { // none of these is a change
			h.WriteFile("r\n" + access)
			m.Warn(fmt.Sprint(i, n))
			other.Ask("version", nil) // time for the watcher to say too much
		}
		if got := w.Next(); got != access {
			t.Fatalf("change %d: %q", i, got)
		}
	}
}

// A change that comes while a watcher is being told of the one before is not lost: it hears
// of the last of several, however close they are.
func TestWatcherHearsOfTheLast(t *testing.T) {
	h := newHouse(t, idp.Config{})
	m := h.open()
	h.serveLogin(m, nil)
	var watchers []*testkit.Client
	for _, server := range []string{"https://fal.run", "https://queue.fal.run"} { // no line is ready for both
		for range 4 {
			w := h.Dial()
			w.Send("watch " + server + "\n")
			watchers = append(watchers, w)
		}
	}
	end := time.Now().Add(time.Hour)
	for i := range changes / 16 {
		var last string
		for n := range 4 {
			last = opaque(fmt.Sprint(i, n), 20000, end)
			h.become(m, "r", last)
		}
		for _, w := range watchers {
			w.Until(last)
		}
	}
}

// R9: a token also runs out with nobody doing anything, and a watcher hears of that.
func TestWatcherHearsTheEnd_R9(t *testing.T) {
	h := newHouse(t, idp.Config{})
	h.IDP.SetFault(&idp.Fault{Status: 503})
	m := h.open()
	h.serveLogin(m, nil)
	access := opaque("short", 0, time.Now().Add(2*time.Second))
	h.WriteFile("r\n" + access)
	w := h.Dial()
	w.Send("watch https://fal.run\n")
	w.Until(access)
	if got := w.Next(); got != string(protocol.CodeUnavailable) {
		t.Errorf("then it hears %q", got)
	}
}

// S6: a connection that ends makes room.
func TestS6Limit(t *testing.T) {
	h := newHouse(t, idp.Config{})
	_, access := h.SignIn("ann")
	h.serve(func(s *Server) { s.limit = 2 })
	a, b := h.Dial(), h.Dial()
	a.Secret()
	b.Secret()
	c := h.Dial()
	if got := c.Next(); got != "unavailable" {
		t.Errorf("the third is answered %q", got)
	}
	c.WantEnd()
	h.Dial().Next()
	if n := strings.Count(h.Logged.String(), "all connections are in use"); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
	a.Close()
	h.Eventually("room for one more", func() bool {
		c := h.Dial()
		defer c.Close()
		io.WriteString(c.Conn, "get https://fal.run\n")
		c.SetReadDeadline(time.Now().Add(testkit.Patience))
		line, _ := c.In.ReadLine()
		return strings.Contains(line, access)
	})
	b.Secret()
}

// A mistake of ours in one connection ends that connection only, and the log
// does not repeat the request (R12).
func TestPanic(t *testing.T) {
	h := newHouse(t, idp.Config{})
	h.serveLogin(new(login.Manager), nil) // has no snapshot
	for _, verb := range []string{"get", "watch"} {
		c := h.Dial()
		c.WantCode(verb+` {"ServerURL":"https://fal.run","Rejected":"hush-hush"}`, protocol.CodeInternal)
		c.WantEnd()
	}
	var v protocol.VersionAnswer
	if err := h.Dial().Ask("version", &v); err != nil {
		t.Errorf("the daemon is gone: %v", err)
	}
	log := h.Logged.String()
	testkit.WantText(t, log, "a request hit a bug in falcred")
	testkit.WantText(t, log, "nil pointer dereference")
	if strings.Contains(log, "hush-hush") || strings.Contains(log, "fal.run") {
		t.Errorf("the log repeats the request:\n%s", log)
	}
}

// R12: the refresh token is in no answer and in no log, whatever happens.
func TestR12OverTheSocket(t *testing.T) {
	t.Parallel()
	h := newHouse(t, idp.Config{Overlap: time.Minute})
	refresh, _, _ := h.IDP.Login("ann")
	h.WriteFile(refresh)
	s := h.serve(nil)
	secrets := []string{refresh}
	var heard strings.Builder
	c := h.Dial()
	for _, request := range []string{"get https://fal.run", "list", "status", "version", "nonsense", storing("r\u00e9fresh"), "erase https://example.com"} {
		c.Send(request + "\n")
		heard.WriteString(c.Line())
		data, err := os.ReadFile(h.File)
		if err != nil {
			t.Fatal(err)
		}
		p, err := tokenfile.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, p.Refresh)
	}
	stored, _, _ := h.IDP.Login("ann")
	secrets = append(secrets, stored)
	c.Send(storing(stored) + "\nstatus\n" + storing(stored) + "\n")
	for range 3 {
		heard.WriteString(c.Line())
	}
	s.end()
	h.wantEnded(s)
	if secrets[0] == secrets[1] {
		t.Error("no refresh: nothing is tested")
	}
	for _, secret := range secrets {
		if strings.Contains(heard.String(), secret) || strings.Contains(h.Logged.String(), secret) {
			t.Error("a refresh token left the daemon")
		}
	}
}

// §4: who sends garbage waits, the longer the more of it; nobody waits for that at
// the end (S5), or for an answer that is an error for another reason.
func TestMalformedRequestsSlowTheirSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &conn{Server: New(nil, Options{})}
		took := func(err error) time.Duration {
			begun := time.Now()
			c.slow(err)
			return time.Since(begun)
		}
		malformed := protocol.Errorf(protocol.CodeBadRequest, "malformed")
		if first, second := took(malformed), took(malformed); first != time.Millisecond || second != 2*first {
			t.Errorf("%v, then %v", first, second)
		}
		if other := took(protocol.ErrNotFound); other != 0 {
			t.Errorf("another error costs %v", other)
		}
		for range 200 {
			took(malformed)
		}
		if last := took(malformed); last != maxSlow {
			t.Errorf("the longest wait is %v", last)
		}
		close(c.ending)
		if atTheEnd := took(malformed); atTheEnd != 0 {
			t.Errorf("at the end it waits for %v", atTheEnd)
		}
	})
}
