package server

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"golang.org/x/sys/unix"
)

// S5, S6: who is turned away may have passed a descriptor whose close takes as long as he
// likes. Whoever accepts does not wait for that, but for a place among those who are
// turned away; and not even for that once the daemon is to end.
func TestTurnedAwayHoldsNobody_S5(t *testing.T) {
	s := New(nil, Options{Log: slog.New(slog.DiscardHandler)})
	s.limit = 0
	s.away = make(chan struct{}, 1)
	ctx, end := context.WithCancel(t.Context())
	admitted := func(c *net.UnixConn) <-chan struct{} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.admit(ctx, c)
		}()
		return done
	}
	hostile := func() *net.UnixConn {
		peer, client := pairOf(t)
		slow := testkit.SlowToClose(t, 600)
		if _, _, err := client.WriteMsgUnix([]byte("x"), unix.UnixRights(int(slow.Fd())), nil); err != nil {
			t.Fatal(err)
		}
		slow.Close() // not the last of it
		return peer
	}
	wantDone := func(what string, done <-chan struct{}) {
		t.Helper()
		select {
		case <-done:
		case <-time.After(testkit.Patience):
			t.Fatal(what)
		}
	}
	wantDone("it waits for what a client has passed", admitted(hostile()))
	waits := admitted(hostile())
	select {
	case <-waits:
		t.Error("there was a place: nothing is tested")
	case <-time.After(100 * time.Millisecond):
	}
	end()
	wantDone("it waits although the daemon is to end", waits)
}
