//go:build linux || darwin

package daemon

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/socket"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// Whoever is first is answered from the file, not from a daemon that has not
// looked at it yet.
func TestFirstAnswer(t *testing.T) {
	for range 30 {
		h := newHouse(t, idp.Config{})
		_, access := h.SignIn("ann")
		h.run()
		// As early as the socket is there, and so before the look.
		c := h.dialAtOnce()
		var s protocol.Status
		if err := c.Ask("status", &s); err != nil || s.State != protocol.StateLoggedIn {
			t.Fatalf("the first answer: %s, %v", s.State, err)
		}
		if c.Secret() != access {
			t.Fatal("the second answer")
		}
		h.end()
	}
}

// A daemon that cannot start leaves no socket behind.
func TestRunFailsClean(t *testing.T) {
	h := newHouse(t, idp.Config{})
	ledger := filepath.Join(h.cfg.Home, journal.LedgerName)
	testkit.Must(t, os.WriteFile(ledger, []byte(`{"Issuer":"https://other.example"}`), 0o600))
	if err := Run(context.Background(), h.cfg, h.Logger()); err == nil {
		t.Fatal("a home of another issuer was served (R13)")
	}
	if !testkit.Gone(h.Sock) {
		t.Error("the socket was left behind")
	}
	os.Remove(ledger)
	h.SignIn("ann")
	h.run()
	h.Dial().Secret() // and the lock is free
}

// S1, S5: a daemon that ends keeps its place until the last rotation has ended, also when
// all of its clients are gone: another one that came in between would meet the token that
// is being used up.
func TestEndKeepsThePlace_S1(t *testing.T) {
	h := newHouse(t, idp.Config{})
	hold := idp.NewHold()
	h.IDP.Inject(hold.After())
	refresh, _, _ := h.IDP.Login("ann")
	h.WriteFile(refresh + "\n" + h.IDP.Mint("ann", time.Now().Add(-time.Hour), time.Minute))
	h.run()
	<-hold.Arrived
	c := h.Dial()
	if err := c.Ask("version", nil); err != nil {
		t.Fatal(err)
	}
	h.stop()
	c.WantEnd()
	for until := time.Now().Add(200 * time.Millisecond); time.Now().Before(until); {
		if s, err := socket.Open(t.Context(), socket.Options{Path: h.Sock, Home: h.Home}); err == nil {
			s.Close()
			t.Error("its place was free during a rotation")
			break
		}
	}
	if h.tokens().Refresh != refresh {
		t.Error("the rotation had ended: nothing is tested")
	}
	close(hold.Release)
	h.end()
	if h.tokens().Refresh == refresh {
		t.Error("the rotation did not come to its end")
	}
}

// S10: stop ends the daemon, as SIGTERM does, and is for the owner's socket only.
func TestStop_S10(t *testing.T) {
	h := newHouse(t, idp.Config{})
	_, access := h.SignIn("ann")
	share := h.shares()
	h.run()
	other := h.At(share).Dial()
	other.WantCode("stop", protocol.CodeDenied)
	other.WantCode("stop now", protocol.CodeDenied)
	if other.Secret() != access || h.Dial().Secret() != access {
		t.Fatal("it does not serve any more")
	}
	if n := strings.Count(h.Logged.String(), `asked for something that only the owner may do" verb=stop`); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
	c := h.Dial()
	c.Send("stop\nget https://fal.run\n")
	if line := c.Line(); line != "{}" {
		t.Errorf("stop: %s", line)
	}
	if got := c.Next(); got != access {
		t.Errorf("what was sent ahead is answered %q", got)
	}
	c.WantEnd()
	other.WantEnd()
	select {
	case err := <-h.done:
		if h.stop = nil; err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(testkit.Patience):
		t.Fatalf("it does not end\n%s", h.Logged)
	}
	if !testkit.Gone(h.Sock) || !testkit.Gone(share) {
		t.Error("a socket was left behind")
	}
	testkit.WantText(t, h.Logged.String(), `msg="asked to stop" pid=`+itoa(os.Getpid()))
}

// S5: the history ends with the daemon's end, after what was finished first.
func TestStoppedComesLast_S5(t *testing.T) {
	h := newHouse(t, idp.Config{})
	refresh, _, _ := h.IDP.Login("ann")
	h.WriteFile(refresh)
	hold := idp.NewHold()
	h.IDP.Inject(hold.After())
	h.run()
	<-hold.Arrived
	h.stop()
	h.Eventually("the socket is gone", func() bool { return testkit.Gone(h.Sock) })
	time.AfterFunc(time.Second, func() { close(hold.Release) })
	h.end()
	all, err := events.Read(h.Home)
	if n := len(all); err != nil || n < 2 || all[n-2].Event != events.Refreshed || all[n-1].Event != events.Stopped {
		t.Errorf("the history: %+v, %v", all, err)
	}
}
