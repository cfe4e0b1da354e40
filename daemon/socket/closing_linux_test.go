package socket

import (
	"net"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"golang.org/x/sys/unix"
)

// S5: who waits in the socket's queue may have passed a descriptor whose close takes as
// long as he likes: here a connection with SO_LINGER whose other end reads nothing. Whoever
// closes the socket does not wait for that. (falcred's own socket refuses descriptors where
// the kernel can, so this one is a plain one.)
func TestClosingWaitsForNoDescriptor_S5(t *testing.T) {
	path := in(t)
	lock, err := claim(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &Socket{path: path, listener: listen(t, path), lock: lock}
	slow := testkit.SlowToClose(t, 600)
	client, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, _, err = client.WriteMsgUnix([]byte("x"), unix.UnixRights(int(slow.Fd())), nil)
	if err != nil {
		t.Fatal(err)
	}
	slow.Close() // not the last of it
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Close()
	}()
	select {
	case <-done:
	case <-time.After(testkit.Patience):
		t.Fatal("it waits for what a client has passed")
	}
	again, err := claim(path)
	if err != nil {
		t.Fatalf("the lock is not free: %v", err)
	}
	again.Close()
}
