//go:build linux || darwin || windows

package server

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

// readPath is one get, from the client's write to its read, with the server's own code
// and system calls between them.
func readPath(tb testing.TB) func() {
	issuer, err := idp.Start(idp.Config{Lifetime: 24 * time.Hour})
	testkit.Must(tb, err)
	tb.Cleanup(issuer.Close)
	cfg := testConfig(tb, tb.TempDir(), issuer.URL)
	refresh, access, _ := issuer.Login("ann")
	testkit.Must(tb, os.WriteFile(filepath.Join(cfg.Home, env.TokenFile), []byte(refresh+"\n"+access), 0o600))
	m, err := login.Open(context.Background(), cfg, slog.New(slog.DiscardHandler)) // nobody watches or refreshes it
	testkit.Must(tb, err)
	tb.Cleanup(m.Close)
	peer, client := pairOf(tb)
	c := newConn(New(m, Options{Servers: cfg.Servers}), peer, nil)
	request, answer := []byte("get https://fal.run\n"), make([]byte, protocol.MaxLine)
	return func() {
		client.Write(request)
		if line, err := c.readLine(); err != nil || !c.answer(line) {
			tb.Fatal("not served: ", err)
		}
		if n, err := client.Read(answer); err != nil || answer[n-1] != '\n' {
			tb.Fatalf("%d bytes, %v", n, err)
		}
	}
}

// A get of a good token makes nothing: the answer's bytes were made by the first one
// after the token changed.
func TestReadPathAllocatesNothing(t *testing.T) {
	if !writesAtOnce {
		testkit.OnWindows(t, "each answer is given a time, which is a timer")
	}
	if n := testing.AllocsPerRun(1000, readPath(t)); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkReadPath(b *testing.B) {
	get := readPath(b)
	b.ReportAllocs()
	for b.Loop() {
		get()
	}
}

// §4: the request fits a line and its answer does not: that is no fault of the
// framing, and the connection goes on.
func TestAnswerThatFitsNoLine_Section4(t *testing.T) {
	h := newHouse(t, idp.Config{})
	h.SignIn("ann")
	h.serve(nil)
	c := h.Dial()
	server := "https://fal.run/" + strings.Repeat("a", protocol.MaxLine-100)
	for _, verb := range []string{"get ", "get ", "watch "} {
		c.Send(verb + server + "\n")
		line, err := c.In.ReadLine()
		if err != nil {
			t.Fatal(err)
		}
		if err := protocol.ParseAnswer(line, nil); !errors.Is(err, errNoLine) {
			t.Errorf("%s: %v", verb, err)
		}
	}
}
