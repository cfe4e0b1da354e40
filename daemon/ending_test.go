//go:build linux || darwin

package daemon

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
)

// answers is a server whose end a test begins by itself.
type answers struct {
	*server
	end  context.CancelFunc
	done chan struct{}
}

// answering is serveLogin with an end of its own.
func (h *house) answering(l *Login, sock *socket, change func(*server)) *answers {
	h.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	a := &answers{newServer(l, sock.path), cancel, make(chan struct{})}
	change(a.server)
	go func() {
		defer close(a.done)
		a.serve(ctx, sock)
	}()
	h.Cleanup(func() {
		cancel()
		<-a.done
		sock.close()
	})
	return a
}

func (h *house) wantEnded(a *answers) {
	h.Helper()
	select {
	case <-a.done:
	case <-time.After(patience):
		h.Fatalf("still alive: its clients decide when it ends\n%s", h.log)
	}
}

// hostile sends that request until the kernel takes no more, and then reads a little now
// and then, so that no single answer ever waits for long.
func (h *house) hostile(request string) *client {
	h.Helper()
	c := h.dial()
	flood := []byte(strings.Repeat(request+"\n", 1000))
	for {
		c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := c.Write(flood); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				h.Fatal(err)
			}
			break
		}
	}
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := c.Read(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	}()
	return c
}

// S5: whatever clients do, at the owner's socket and at the others': one total for all
// their answers.
func TestStopIsBounded_S5(t *testing.T) {
	t.Parallel()
	for name, sharing := range map[string]bool{"the owner's socket": false, "the share socket": true} {
		for _, request := range []string{"status", "get https://fal.run", "nonsense"} {
			t.Run(name+", "+request, func(t *testing.T) {
				h := newHouse(t, idp.Config{})
				h.signIn("ann")
				l, sock := h.open()
				a := h.answering(l, sock, func(s *server) { s.sharing, s.grace = sharing, 50*time.Millisecond })
				for range 3 {
					h.hostile(request)
				}
				h.dial().secret()
				a.end()
				h.wantEnded(a)
			})
		}
	}
}

// S5: two hundred of them are as one.
func TestStopIsBoundedForManyClients_S5(t *testing.T) {
	h := newHouse(t, idp.Config{})
	h.signIn("ann")
	l, sock := h.open()
	a := h.answering(l, sock, func(s *server) { s.grace = 50 * time.Millisecond })
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() { h.hostile("status") })
	}
	all.Wait()
	a.end()
	h.wantEnded(a)
}

// S5: who asked before the end is answered, and so is what was sent ahead, although the
// patience with those who do not read is over by the time that the refresh has landed.
func TestStopAnswersWhatWasAsked_S5(t *testing.T) {
	t.Parallel()
	h := newHouse(t, idp.Config{})
	hold := idp.NewHold()
	h.idp.Inject(hold.After())
	refresh, _, _ := h.idp.Login("ann")
	h.write(refresh)
	l, sock := h.open()
	l.work.Go(func() { l.tick() })
	a := h.answering(l, sock, func(s *server) { s.grace = 50 * time.Millisecond })
	<-hold.Arrived
	good, hostile := h.dial(), h.dial()
	const ahead = 3000
	good.send("get https://fal.run\n" + strings.Repeat("version\n", ahead))
	hostile.send(strings.Repeat("status\n", 10_000))
	// Its get has been counted, and so read, before the end begins.
	h.eventually("the good one waits for the refresh", func() bool { return a.gets.Load() == 1 && h.status().Connections == 3 })
	a.end()
	// The hostile one is cut off, with what the kernel had taken for it.
	hostile.SetReadDeadline(time.Now().Add(patience))
	got, err := io.Copy(io.Discard, hostile.UnixConn)
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("it is not cut off after %d bytes: %v", got, err)
	}
	select {
	case <-a.done:
		t.Fatal("nobody waits for the refresh")
	default:
	}
	close(hold.Release)
	var cred protocol.Credential
	if err := good.answer(&cred); err != nil || cred.Secret == "" {
		t.Errorf("what was asked before the end is not answered: %v", err)
	}
	for i := range ahead {
		if line := good.line(); !strings.Contains(line, "Protocol") {
			t.Fatalf("answer %d of what was sent ahead: %.100q", i, line)
		}
	}
	good.wantEnd()
	h.wantEnded(a)
	l.work.Wait()
	if data, _ := os.ReadFile(h.file); !strings.HasSuffix(string(data), string(cred.Secret)) {
		t.Error("the token file does not hold what was served")
	}
}

// S5: a client that asked in the last moment is not given more time than others, again
// and again, by waiting for the login.
func TestNoMoreTimeByWaiting_S5(t *testing.T) {
	s := newServer(&Login{}, "")
	c := &conn{server: s}
	s.until = time.Now().Add(-time.Second)
	close(s.ending)
	if !c.over() {
		t.Fatal("there is time")
	}
	c.hasWaited()
	late := c.late
	if c.over() || late.After(time.Now().Add(lateGrace)) {
		t.Errorf("until %v", late)
	}
	c.late = time.Now().Add(-time.Millisecond)
	c.hasWaited()
	if !c.over() {
		t.Error("it was given more time twice")
	}
}

// S10: stop ends the daemon, as SIGTERM does, and is for the owner's socket only.
func TestStop_S10(t *testing.T) {
	h := newHouse(t, idp.Config{})
	_, access := h.signIn("ann")
	share := h.shares()
	h.run()
	other := h.at(share).dial()
	other.wantCode("stop", protocol.CodeDenied)
	other.wantCode("stop now", protocol.CodeDenied)
	if other.secret() != access || h.dial().secret() != access {
		t.Fatal("it does not serve any more")
	}
	if n := strings.Count(h.log.String(), overreach+`" verb=stop`); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
	c := h.dial()
	c.send("stop\nget https://fal.run\n")
	if line := c.line(); line != "{}" {
		t.Errorf("stop: %s", line)
	}
	if got := c.next(); got != access {
		t.Errorf("what was sent ahead is answered %q", got)
	}
	c.wantEnd()
	other.wantEnd()
	select {
	case err := <-h.done:
		if h.stop = nil; err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(patience):
		t.Fatalf("it does not end\n%s", h.log)
	}
	if !gone(h.sock) || !gone(share) {
		t.Error("a socket was left behind")
	}
	mustContain(t, h.log.String(), `msg="asked to stop" pid=`+itoa(os.Getpid()))
}
