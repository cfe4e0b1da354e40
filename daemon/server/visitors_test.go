//go:build linux || darwin || windows

package server

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
)

// S7: each user has a part of the share socket's connections. One who opens all that he can
// keeps nobody else out.
func TestS7EachUserHasHisShare(t *testing.T) {
	s := newShared(nil, []int{54321, 54322, 54322}, Options{Log: slog.New(slog.DiscardHandler)})
	s.limit = 40
	users := 3 // the two, and root
	if os.Geteuid() != 0 {
		users++
	}
	fill := func(uid int) (n int, said string) {
		for {
			peer, _ := pairOf(t)
			if _, said = s.enter(peer, uid); said != "" {
				return n, said
			}
			n++
		}
	}
	n, said := fill(54321)
	if n != 40/users {
		t.Errorf("one user has %d of 40 connections: %s", n, said)
	}
	testkit.WantText(t, said, "a user has all the connections")
	for _, uid := range []int{54322, 0} {
		if n, _ := fill(uid); n != 40/users {
			t.Errorf("then user %d has %d", uid, n)
		}
	}
	for c, v := range s.open {
		if v == s.visitors[54321] {
			s.leave(c)
		}
	}
	if n, _ := fill(54321); n != 40/users {
		t.Errorf("after he has left, there is room for %d", n)
	}
	if len(s.visitors) != 3 {
		t.Errorf("%d users are counted", len(s.visitors))
	}
	s.limit = 0
	if peer, _ := pairOf(t); true {
		if _, said := s.enter(peer, 54322); !strings.Contains(said, "all connections are in use") {
			t.Errorf("it says %q", said)
		}
	}
}

// S7: others' requests are answered a thousand times a second for each user, on however many
// connections they come. The owner's are not counted.
func TestS7OthersArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShared(nil, []int{54321, 54322}, Options{})
		bob, cat := &visitor{}, &visitor{}
		begun := time.Now()
		const each = 1500
		for range 4 { // connections
			go func() {
				c := conn{Server: s, visitor: bob}
				for range each {
					c.inTurn()
				}
			}()
		}
		synctest.Wait()
		c := conn{Server: s, visitor: cat}
		c.inTurn()
		if took := time.Since(begun); took != 0 {
			t.Errorf("another user waits %v", took)
		}
		(&conn{Server: New(nil, Options{})}).inTurn()
		last := conn{Server: s, visitor: bob}
		last.inTurn()
		if took := time.Since(begun); took == 0 {
			t.Error("one who asks without a pause does not wait")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if took := bob.paid.Sub(begun); took != (4*each+1)*eachTakes {
			t.Errorf("%d requests have taken %v", 4*each, took)
		}
		close(s.ending)
	})
}

// S3, S7: what foreign users bring about has no more lines in the log than a few, and
// nothing is kept for each of them.
func TestS7ManyStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := newShared(nil, nil, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		knock := func(first int) {
			for uid := range 20_000 {
				s.warnOnce("a client was denied", "uid", first+uid, "cause", io.EOF)
			}
			s.warnOnce(overreach, "verb", "stop")
			s.warnOnce(overreach, "verb", "stop")
		}
		knock(1000)
		if n := strings.Count(log.String(), "\n"); n != maxAlike+2 {
			t.Errorf("%d lines", n)
		}
		testkit.WantText(t, log.String(), "further clients like the last ones are not logged today")
		if n := strings.Count(log.String(), overreach); n != 1 {
			t.Errorf("another kind is logged %d times", n)
		}
		time.Sleep(logAgain + time.Minute)
		knock(100_000)
		testkit.WantText(t, log.String(), fmt.Sprint("uid=", 100_000))
		if n := strings.Count(log.String(), "\n"); n != 2*(maxAlike+2) {
			t.Errorf("%d lines on the second day", n)
		}
		if n := len(s.logged.lines["a client was denied"]); n != maxAlike || len(s.visitors)+len(s.open) > 0 {
			t.Errorf("%d entries, %d users, %d connections are kept", n, len(s.visitors), len(s.open))
		}
	})
}
