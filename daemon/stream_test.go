//go:build linux || darwin

package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// pairOf is a connection whose kernel buffer holds little, and its other end.
func pairOf(t *testing.T) (peer, client *net.UnixConn) {
	t.Helper()
	name := &net.UnixAddr{Name: filepath.Join(shortDir(t), "s"), Net: "unix"}
	listener, err := net.ListenUnix("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if client, err = net.DialUnix("unix", nil, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if peer, err = listener.AcceptUnix(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	if err := peer.SetWriteBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	return peer, client
}

// in is an answerBy that does not change.
func in(d time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(d) }
}

// What does not fit the kernel's buffer arrives whole and in order; what does needs
// no time.
func TestStreamWritesAll(t *testing.T) { quickAndNot(t, testStreamWritesAll) }

// quickAndNot tests both ways, whatever this kernel knows.
func quickAndNot(t *testing.T, test func(t *testing.T, quick bool)) {
	for _, quick := range []bool{true, false} {
		t.Run(fmt.Sprintf("quick %t", quick), func(t *testing.T) { test(t, quick) })
	}
}

func testStreamWritesAll(t *testing.T, quick bool) {
	peer, client := pairOf(t)
	var w stream
	w.open(peer, in(patience))
	w.asked, w.quick = true, quick
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
		if !w.write(rest[:n]) {
			t.Fatal("a reader was given up")
		}
		rest = rest[n:]
	}
	if !bytes.Equal(<-got, want) {
		t.Error("something else arrived")
	}
	w.answerBy = in(0)
	if !w.write([]byte("x")) {
		t.Error("there was room")
	}
}

// Who does not read, and who is gone, is given up.
func TestStreamGivesUp(t *testing.T) { quickAndNot(t, testStreamGivesUp) }

func testStreamGivesUp(t *testing.T, quick bool) {
	peer, client := pairOf(t)
	var w stream
	w.open(peer, in(10*time.Millisecond))
	w.asked, w.quick = true, quick
	if w.write(make([]byte, 1<<20)) {
		t.Error("nobody has read that")
	}
	client.Close()
	if w.write([]byte("x")) {
		t.Error("nobody is there")
	}
}

// A reader is told of bytes, of its deadline, of the end and of a close, whether it has to
// wait for them or not.
func TestStreamReads(t *testing.T) { quickAndNot(t, testStreamReads) }

func testStreamReads(t *testing.T, quick bool) {
	peer, client := pairOf(t)
	var s stream
	s.open(peer, in(patience))
	s.asked, s.quick = true, quick
	buf := make([]byte, 3)
	client.Write([]byte("abcd"))
	for _, want := range []string{"abc", "d"} {
		if n, err := s.Read(buf); err != nil || string(buf[:n]) != want {
			t.Errorf("%q, %v", buf[:n], err)
		}
	}
	time.AfterFunc(10*time.Millisecond, func() { client.Write([]byte("e")) })
	if n, err := s.Read(buf); err != nil || string(buf[:n]) != "e" {
		t.Errorf("%q, %v", buf[:n], err)
	}
	for _, ahead := range []time.Duration{10 * time.Millisecond, -time.Hour} {
		peer.SetReadDeadline(time.Now().Add(ahead))
		if _, err := s.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after the deadline: %v", err)
		}
	}
	peer.SetReadDeadline(time.Time{})
	client.Close()
	if _, err := s.Read(buf); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	peer.Close()
	if _, err := s.Read(buf); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if s.write([]byte("x")) {
		t.Error("written to what is closed")
	}
}
