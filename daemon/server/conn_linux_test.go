package server

import (
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
)

// §4: the time of a request ends with it. The connection may be idle afterwards.
func TestRequestInHalvesLeavesNoDeadline_Section4(t *testing.T) {
	t.Parallel()
	peer, client := pairOf(t)
	s := New(nil, Options{})
	s.requestTimeout = time.Second
	c := newConn(s, peer, nil)
	lines := make(chan string)
	go func() {
		defer close(lines)
		for {
			line, err := c.readLine()
			if err != nil {
				return
			}
			lines <- line
		}
	}()
	client.Write([]byte("get https"))
	testkit.Eventually(t, "the first half is read", func() bool { return inFlight(t, client) == 0 })
	client.Write([]byte("://fal.run\n"))
	if got := <-lines; got != "get https://fal.run" {
		t.Fatalf("%q", got)
	}
	select { // a deadline that was left would be over
	case <-lines:
		t.Fatal("an idle connection was given up")
	case <-time.After(s.requestTimeout + 10*time.Millisecond):
	}
	client.Write([]byte("version\n"))
	if got := <-lines; got != "version" {
		t.Errorf("%q", got)
	}
}
