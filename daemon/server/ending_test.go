//go:build linux || darwin || windows

package server

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// flood sends that request until the kernel takes no more.
func (h *house) flood(request string) *testkit.Client {
	h.Helper()
	c := h.Dial()
	lines := []byte(strings.Repeat(request+"\n", 1000))
	for {
		c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := c.Write(lines); errors.Is(err, os.ErrDeadlineExceeded) {
			return c
		} else if err != nil {
			h.Fatal(err)
		}
	}
}

// hostile is one that then reads a little now and then, so that no single answer ever
// waits for long.
func (h *house) hostile(request string) *testkit.Client {
	h.Helper()
	c := h.flood(request)
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
	for name, shared := range map[string]bool{"the owner's socket": false, "the share socket": true} {
		for _, request := range []string{"status", "get https://fal.run", "nonsense"} {
			t.Run(name+", "+request, func(t *testing.T) {
				h := newHouse(t, idp.Config{})
				h.SignIn("ann")
				s := h.serve(func(s *Server) {
					s.readOnly, s.grace = shared, 50*time.Millisecond
					s.answerTimeout = time.Hour // is not what ends it
				})
				for range 3 {
					h.hostile(request)
				}
				h.flood(request) // and nobody reads the answers
				h.Dial().Secret()
				s.end()
				h.wantEnded(s)
			})
		}
	}
}

// S5: many of them are as one.
func TestStopIsBoundedForManyClients_S5(t *testing.T) {
	h := newHouse(t, idp.Config{})
	h.SignIn("ann")
	s := h.serve(func(s *Server) { s.grace = 50 * time.Millisecond })
	var all sync.WaitGroup
	for range manyHostile {
		all.Go(func() { h.hostile("status") })
	}
	all.Wait()
	s.end()
	h.wantEnded(s)
}

// S5: who asked before the end is answered, and so is what was sent ahead, although the
// testkit.Patience with those who do not read is over by the time that the refresh has landed.
func TestStopAnswersWhatWasAsked_S5(t *testing.T) {
	t.Parallel()
	h := newHouse(t, idp.Config{})
	hold := idp.NewHold()
	h.IDP.Inject(hold.After())
	refresh, _, _ := h.IDP.Login("ann")
	h.WriteFile(refresh)
	s := h.serve(func(s *Server) { s.grace = 50 * time.Millisecond })
	<-hold.Arrived
	good := h.Dial()
	good.Send("get https://fal.run\n" + strings.Repeat("version\n", ahead))
	hostile := h.flood("status")
	// Its get has been counted, and so read, before the end begins.
	h.Eventually("the good one waits for the refresh", func() bool { return s.gets.Load() == 1 && h.Status().Connections == 3 })
	s.end()
	<-s.ending
	<-time.After(time.Until(s.until) + time.Millisecond) // who does not wait for the refresh has no time left
	// The hostile one is cut off, with what the kernel had taken for it.
	hostile.SetReadDeadline(time.Now().Add(testkit.Patience))
	got, err := io.Copy(io.Discard, hostile.Conn)
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("it is not cut off after %d bytes: %v", got, err)
	}
	select {
	case <-s.done:
		t.Fatal("nobody waits for the refresh")
	default:
	}
	close(hold.Release)
	var cred protocol.Credential
	if err := good.Answer(&cred); err != nil || cred.Secret == "" {
		t.Errorf("what was asked before the end is not answered: %v", err)
	}
	for i := range ahead {
		if line := good.Line(); !strings.Contains(line, "Protocol") {
			t.Fatalf("answer %d of what was sent ahead: %.100q", i, line)
		}
	}
	good.WantEnd()
	h.wantEnded(s)
	if data, _ := os.ReadFile(h.File); !strings.HasSuffix(string(data), string(cred.Secret)) {
		t.Error("the token file does not hold what was served")
	}
}

// S9: who has connected before another daemon takes the socket is heard, however long a busy machine
// keeps him from asking.
func TestWhoHasJustComeIsHeard_S9(t *testing.T) {
	t.Parallel()
	h := newHouse(t, idp.Config{})
	closing := make(chan struct{})
	s := h.serve(func(s *Server) {
		s.firstRequest = testkit.Patience
		s.cfg.Closing = func() { close(closing) }
	})
	slow := h.Dial()
	h.Eventually("he is let in", func() bool { return h.Status().Connections == 2 })
	s.sock.Leave(true)
	s.end()
	select {
	case <-closing:
		t.Error("he was not waited for")
	case <-time.After(3 * lastCall):
	}
	slow.Send("version\n")
	if line := slow.Line(); !strings.Contains(line, "Protocol") {
		t.Errorf("%.100q", line)
	}
	<-closing
	slow.WantEnd()
	h.wantEnded(s)
}

// S5: once the daemon ends, there is one total for all answers, and no answer that may
// wait longer.
func TestAnswersHaveOneTotal_S5(t *testing.T) {
	s := New(nil, Options{})
	c := &conn{Server: s}
	if by := c.answerBy(); time.Until(by) < s.answerTimeout-time.Minute {
		t.Errorf("while it does not end: %v", by)
	}
	s.until = time.Now().Add(time.Second)
	close(s.ending)
	if by := c.answerBy(); !by.Equal(s.until) {
		t.Errorf("%v, want %v", by, s.until)
	}
	c.late = s.until.Add(time.Second)
	if by := c.answerBy(); !by.Equal(c.late) {
		t.Errorf("for one that had to wait: %v, want %v", by, c.late)
	}
	s.answerTimeout = time.Millisecond
	if by := c.answerBy(); !by.Before(s.until) {
		t.Errorf("no answer has more than its own time: %v", by)
	}
}

// S5: a client that asked in the last moment is not given more time than others, again
// and again, by waiting for the login.
func TestNoMoreTimeByWaiting_S5(t *testing.T) {
	s := New(nil, Options{})
	c := &conn{Server: s}
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

// S10: stop ends the daemon, as SIGTERM does.
func TestStop_S10(t *testing.T) {
	h := newHouse(t, idp.Config{})
	_, access := h.SignIn("ann")
	s := h.serve(nil)
	c := h.Dial()
	c.Send("stop\nget https://fal.run\n")
	if line := c.Line(); line != "{}" {
		t.Errorf("stop: %s", line)
	}
	if got := c.Next(); got != access {
		t.Errorf("what was sent ahead is answered %q", got)
	}
	c.WantEnd()
	h.wantEnded(s)
	if !testkit.Gone(h.Sock) {
		t.Error("a socket was left behind")
	}
	testkit.WantText(t, h.Logged.String(), `msg="asked to stop" pid=`+strconv.Itoa(os.Getpid()))
}
