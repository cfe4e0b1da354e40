package issuer

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/internal/httpx"
)

// R7, F1: who answers that he changes to another protocol, which nobody has asked for, and
// then says nothing, holds nobody: from there on net/http leaves the connection to its caller,
// and no context ends a reading.
func TestSwitchedProtocol_R7(t *testing.T) {
	inBubble(t, idp.Config{}, func(b *bubble) {
		b.mustDiscover()
		over := make(chan struct{})
		defer close(over)
		b.front = func(w http.ResponseWriter, _ *http.Request) bool {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return true
			}
			conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"))
			<-over
			conn.Close()
			return true
		}
		done := make(chan Reply, 1)
		begun := time.Now()
		go func() { done <- b.Refresh(b.Context(), "r", AnswerTimeout) }()
		select {
		case r := <-done:
			if r.Outcome != Broken || time.Since(begun) > AnswerTimeout {
				t.Errorf("outcome %d after %v: %v", r.Outcome, time.Since(begun), r.Err)
			}
		case <-time.After(time.Minute):
			t.Fatal("a refresh under the lock has no end")
		}
		ctx, cancel := context.WithTimeout(b.Context(), httpx.SideTimeout)
		defer cancel()
		if err := b.Ping(ctx); err == nil {
			t.Error("that was a set of keys")
		}
	})
}
