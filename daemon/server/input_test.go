//go:build linux || darwin || windows

package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
)

// goodStill wants the daemon to serve as before, the file untouched, and the
// issuer not asked.
func (h *house) goodStill(access string, file []byte) {
	h.Helper()
	if got := h.Dial().Secret(); got != access {
		h.Errorf("a good client is answered %.20q", got)
	}
	now, err := os.ReadFile(h.File)
	if err != nil || !bytes.Equal(now, file) {
		h.Errorf("the token file changed: %v", err)
	}
	if n := h.IDP.Stats().TokenRequests + h.IDP.Stats().Revocations; n != 0 {
		h.Errorf("the issuer was asked %d times", n)
	}
}

// What a request can get wrong has its code, and the connection goes on.
func TestBadRequests(t *testing.T) {
	h := newHouse(t, idp.Config{})
	refresh, access := h.SignIn("ann")
	file, _ := os.ReadFile(h.File)
	h.serve(nil)
	c := h.Dial()
	for _, bad := range []struct {
		request string
		code    protocol.Code
	}{
		{"", protocol.CodeBadRequest},
		{" ", protocol.CodeBadRequest},
		{"GET https://fal.run", protocol.CodeBadRequest},
		{" get https://fal.run", protocol.CodeBadRequest},
		{"gets https://fal.run", protocol.CodeBadRequest},
		{"get\thttps://fal.run", protocol.CodeBadRequest},
		{"{\"ServerURL\":\"https://fal.run\"}", protocol.CodeBadRequest},
		{strings.Repeat("g", 5000), protocol.CodeBadRequest},
		{"get https://fal.run\x00", protocol.CodeBadRequest},
		{"get \x00", protocol.CodeBadRequest},
		{"get https://fal.run\rget https://fal.run", protocol.CodeBadRequest},
		{"get https://fal.run\x1b[2J", protocol.CodeBadRequest},
		{"get https://fal.run\x7f", protocol.CodeBadRequest},
		{"get https://fal.run/\xff\xfe", protocol.CodeBadRequest},
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", protocol.CodeBadRequest}, // TLS

		{"get", protocol.CodeNoServerURL},
		{"get {}", protocol.CodeNoServerURL},
		{"watch", protocol.CodeNoServerURL},
		{"get {", protocol.CodeBadRequest},
		{"get {\"ServerURL\":\"https://fal.run\"", protocol.CodeBadRequest},
		{"get {\"ServerURL\":\"https://fal.run\"} {}", protocol.CodeBadRequest},
		{"get {\"ServerURL\":\"https://fal.run\",\"ServerURL\":\"https://fal.run\"}", protocol.CodeBadRequest},
		{"get {\"ServerURL\":[\"https://fal.run\"]}", protocol.CodeBadRequest},
		{"get {\"ServerURL\":\"https://fal.run\\nget https://fal.run\"}", protocol.CodeBadRequest},
		{"get {\"ServerURL\":\"https://fal.run\",\"MinValid\":-1}", protocol.CodeBadRequest},
		{"get {\"ServerURL\":\"https://fal.run\",\"MinValid\":1e99}", protocol.CodeBadRequest},
		{"get {\"ServerURL\":\"https://fal.run\",\"ForceUser\":\"yes\"}", protocol.CodeBadRequest},
		{"get " + strings.Repeat("{\"ServerURL\":", 4000), protocol.CodeBadRequest},

		{"store", protocol.CodeBadRequest},
		{"store {}", protocol.CodeNoServerURL},
		{"store {\"ServerURL\":\"https://fal.run\",\"Username\":\"\",\"Secret\":\"s\"}", protocol.CodeBadRequest},
		{"store {\"ServerURL\":\"https://fal.run\",\"Username\":\"ann\",\"Secret\":\"key:secret\"}", protocol.CodeBadRequest},
		{"erase", protocol.CodeNoServerURL},
		{"erase https://example.com", protocol.CodeNotFound},
	} {
		c.WantCode(bad.request, bad.code)
	}
	if c.Secret() != access {
		t.Error("the connection did not go on")
	}
	if got := h.Dial(); got.Ask("get https://fal.run\r", nil) != nil {
		t.Error("CRLF is not accepted")
	}
	h.goodStill(access, file)
	if log := h.Logged.String(); strings.Contains(log, refresh) || strings.Contains(log, access) || strings.Contains(log, "key:secret") {
		t.Error("a secret is in the log (S4)")
	}
}

// A line may have 64 KiB; a longer one is told so and hung up on.
func TestLongLines(t *testing.T) {
	h := newHouse(t, idp.Config{})
	_, access := h.SignIn("ann")
	file, _ := os.ReadFile(h.File)
	h.serve(nil)
	c := h.Dial()
	c.WantCode("get "+strings.Repeat("a", protocol.MaxLine-len("get \n")), protocol.CodeNotFound)
	c.Secret()
	c.WantCode("get "+strings.Repeat("a", protocol.MaxLine-len("get \n")+1), protocol.CodeBadRequest)
	c.WantEnd()

	// A client that writes much more before it reads is not killed by SIGPIPE.
	c = h.Dial()
	written := make(chan error, 1)
	go func() {
		_, err := io.CopyN(c.Conn, endless('a'), 1<<20)
		if endErr := c.CloseWrite(); !errors.Is(endErr, errors.ErrUnsupported) { // a pipe's end is both directions'
			err = errors.Join(err, endErr)
		}
		written <- err
	}()
	if got := c.Next(); got != "bad_request" {
		t.Errorf("an endless line is answered %q", got)
	}
	if err := <-written; err != nil {
		t.Errorf("the client's pipe was broken under its pen: %v", err)
	}
	c.WantEnd()
	h.goodStill(access, file)
}

type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

// Half a request gets the time of a request; an idle connection all of it.
func TestHalfARequest(t *testing.T) {
	h := newHouse(t, idp.Config{})
	_, access := h.SignIn("ann")
	file, _ := os.ReadFile(h.File)
	h.serve(func(s *Server) { s.requestTimeout = 50 * time.Millisecond })
	idle, half, drip := h.Dial(), h.Dial(), h.Dial()
	idle.Send("version\n")
	idle.Line()
	half.Send("get https://fal")
	go func() { // a byte now and then does not buy time
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := drip.Write([]byte("g")); err != nil {
				return
			}
		}
	}()
	half.WantEnd()
	drip.WantEnd()
	if idle.Secret() != access { // idle for longer than half was
		t.Error("the idle connection")
	}
	cut := h.Dial()
	cut.Send("get https://fal.run")
	cut.CloseWrite()
	cut.WantEnd()
	h.goodStill(access, file)
}

// §4: nothing else ever gets a token.
func TestForeignServers(t *testing.T) {
	h := newHouse(t, idp.Config{})
	refresh, access := h.SignIn("ann")
	file, _ := os.ReadFile(h.File)
	h.serve(nil)
	c := h.Dial()
	for _, server := range []string{
		"https://example.com", "https://fal.run.example.com", "https://fal.run@example.com",
		"https://example.com/https://fal.run", "https://example.com#fal.run", "https://example.com?fal.run",
		"http://fal.run", "http://fal.run:443", "https://fal.run:444", "ftp://fal.run", "fal.run:80",
		"https://xfal.run", "https://fal.runx", "https://fal.run.", "https://fal.run\\@example.com",
		"https://fa%6c.run", "https://fal。run", "https://fаl.run", "https://user:pass@fal.run",
		"http://127.0.0.1", "https://127.0.0.1", "//fal.run", "https:/fal.run", "https://", "fal.run/x",
	} {
		for _, verb := range []string{"get", "erase"} {
			e := c.WantCode(verb+" "+server, protocol.CodeNotFound)
			if *e != *protocol.ErrNotFound {
				t.Errorf("%s %s: %q", verb, server, e.Message)
			}
		}
		w := h.Dial()
		w.Send("watch " + server + "\n")
		line := w.Line()
		if strings.Contains(line, access) || !strings.Contains(line, "not_found") {
			t.Errorf("watch %s: %s", server, line)
		}
		w.Close()
		login, err := json.Marshal(map[string]string{"ServerURL": server, "Username": protocol.TokenUsername, "Secret": refresh})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Ask("store "+string(login), nil); err == nil {
			t.Errorf("store for %s was taken", server)
		}
	}
	for _, server := range []string{"https://fal.run", "fal.ai", "https://queue.fal.run/x?y#z", "wss://fal.run"} {
		var got protocol.Credential
		if err := c.Ask("get "+server, &got); err != nil || string(got.Secret) != access || got.ServerURL != server {
			t.Errorf("get %s: %v, %v", server, got, err)
		}
	}
	h.goodStill(access, file)
}
