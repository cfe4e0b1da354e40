//go:build linux || darwin || windows

package server

import (
	"bytes"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
)

// pairOf is a connection whose kernel buffer holds little, and its other end.
func pairOf(t testing.TB) (peer, client *testkit.Conn) {
	t.Helper()
	path := filepath.Join(testkit.ShortDir(t), "s")
	listener, err := testkit.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if client, err = testkit.Dial(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if peer, err = listener.AcceptUnix(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	shrink(t, peer)
	return peer, client
}

// streamOf is that connection, as the server has it.
func streamOf(t testing.TB, answerBy func() time.Time) (s *stream, client *testkit.Conn) {
	t.Helper()
	peer, client := pairOf(t)
	s = new(stream)
	if err := s.open(peer, answerBy); err != nil {
		t.Fatal(err)
	}
	return s, client
}

// in is an answerBy that does not change.
func in(d time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(d) }
}

// What does not fit the kernel's buffer arrives whole and in order; what does needs
// no time.
func TestStreamWritesAll(t *testing.T) {
	s, client := streamOf(t, in(testkit.Patience))
	var want []byte
	for i := range 1 << 20 {
		want = append(want, byte(i), byte(i>>8))
	}
	got := make(chan []byte)
	go func() {
		all := make([]byte, len(want))
		io.ReadFull(client, all)
		got <- all
	}()
	for rest := want; len(rest) > 0; {
		n := min(len(rest), 300<<10)
		if !s.write(rest[:n]) {
			t.Fatal("a reader was given up")
		}
		rest = rest[n:]
	}
	if !bytes.Equal(<-got, want) {
		t.Error("something else arrived")
	}
	s.answerBy = func() time.Time {
		if writesAtOnce {
			t.Error("an answer that fits was given a time")
		}
		return time.Now().Add(testkit.Patience)
	}
	if !s.write([]byte("x")) {
		t.Error("there was room")
	}
}

// Who does not read, who is gone, and what is closed, is given up.
func TestStreamGivesUp(t *testing.T) {
	s, client := streamOf(t, in(10*time.Millisecond))
	if s.write(make([]byte, 1<<20)) {
		t.Error("nobody has read that")
	}
	client.Close()
	if s.write([]byte("x")) {
		t.Error("nobody is there")
	}
	s.peer.Close()
	if s.write([]byte("x")) {
		t.Error("written to what is closed")
	}
}

// The time of an answer ends with it: a connection that has had to wait once is as good
// as any other afterwards, and idle without a timer.
func TestStreamKeepsNoDeadline(t *testing.T) {
	var by time.Time
	s, client := streamOf(t, func() time.Time {
		by = time.Now().Add(time.Second)
		return by
	})
	go io.Copy(io.Discard, client)
	if !s.write(make([]byte, 1<<20)) {
		t.Fatal("a reader was given up")
	}
	if by.IsZero() {
		t.Fatal("it all fitted: nothing is tested")
	}
	<-time.After(time.Until(by)) // a deadline that was left would be over
	if _, err := s.peer.Write([]byte("x")); err != nil {
		t.Error(err)
	}
}

// An answer that fits makes nothing.
func TestStreamAllocatesNothing(t *testing.T) {
	if !writesAtOnce {
		testkit.OnWindows(t, "each answer is given a time, which is a timer")
	}
	s, client := streamOf(t, in(testkit.Patience))
	answer, got := []byte("an answer\n"), make([]byte, 10)
	if n := testing.AllocsPerRun(100, func() {
		s.write(answer)
		io.ReadFull(client, got)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
