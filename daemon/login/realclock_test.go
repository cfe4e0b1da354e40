//go:build unix

package login

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/env"
)

// onRealClock is a world without a bubble, whose owner watches the file and asks an issuer
// on loopback, by transport where there is one.
func onRealClock(t *testing.T, p *idp.Provider, issuer string, transport http.RoundTripper) *world {
	t.Helper()
	w := &world{T: t, idp: p, home: t.TempDir(), log: &testkit.LogBuffer{}}
	w.path = filepath.Join(w.home, env.TokenFile)
	refresh, access, _ := p.Login("ann")
	w.write(refresh, access)
	ctx, cancel := context.WithCancel(context.Background())
	cfg := Config{Home: w.home, Issuer: issuer, ClientID: "test-client", Servers: testkit.FalServers(), Transport: transport}
	m, err := Open(ctx, cfg, slog.New(slog.NewTextHandler(w.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	w.Manager = m
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		w.Manager.Run(ready)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		w.Close()
	})
	<-ready
	w.until("the owner serves the file's token", w.servesTheFile)
	return w
}

// until polls: what is waited for happens in another process.
func (w *world) until(what string, ok func() bool) {
	w.Helper()
	if !testkit.Within(testkit.Patience, ok) {
		w.Fatalf("it never came that %s\n%s", what, w.log)
	}
}

func (w *world) servesTheFile() bool {
	r := w.file.Read()
	c, err := w.get()
	w.mu.Lock()
	defer w.mu.Unlock()
	return err == nil && r.State == tokenfile.Holds && string(c.Secret) == r.Pair.Access && w.rotation == nil && w.Manager.state.Tokens.Fresh(clock.Now())
}

// expire makes the login due for whoever looks, in place as the SDK writes.
func (w *world) expire() (refresh string) {
	refresh = w.inFile().Refresh
	w.write(refresh, w.idp.Mint("ann", time.Now().Add(-3*time.Hour), 2*time.Hour))
	return refresh
}
