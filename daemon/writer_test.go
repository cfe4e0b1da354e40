//go:build unix

package daemon

import (
	"bytes"
	"io"
	"net"
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

// What does not fit the kernel's buffer arrives whole and in order; what does needs
// no time.
func TestWriterWritesAll(t *testing.T) {
	peer, client := pairOf(t)
	var w writer
	w.open(peer, patience)
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
	w.timeout = time.Nanosecond
	if !w.write([]byte("x")) {
		t.Error("there was room")
	}
}

// Who does not read, and who is gone, is given up.
func TestWriterGivesUp(t *testing.T) {
	peer, client := pairOf(t)
	var w writer
	w.open(peer, 10*time.Millisecond)
	if w.write(make([]byte, 1<<20)) {
		t.Error("nobody has read that")
	}
	client.Close()
	if w.write([]byte("x")) {
		t.Error("nobody is there")
	}
}
