package server

import (
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"golang.org/x/sys/unix"
)

// S5: a client may pass a descriptor whose close takes as long as he likes, here a
// connection with SO_LINGER whose other end reads nothing. What is read along with it
// closes it, within read(2): nobody but this connection waits for that, not even who has
// to stop all goroutines for a moment. (falcred's own socket refuses descriptors where
// the kernel can, so this one is a plain one.)
func TestSlowDescriptorHoldsItsOwnConnection_S5(t *testing.T) {
	peer, client := pairOf(t)
	slow := testkit.SlowToClose(t, 5)
	if _, _, err := client.WriteMsgUnix([]byte("x"), unix.UnixRights(int(slow.Fd())), nil); err != nil {
		t.Fatal(err)
	}
	slow.Close() // not the last of it
	read := make(chan struct{})
	go func() {
		defer close(read)
		peer.Read(make([]byte, 1))
	}()
	for begun := time.Now(); inFlight(t, client) > 0; runtime.Gosched() {
		if time.Since(begun) > testkit.Patience {
			t.Fatal("nobody reads")
		}
	}
	runtime.GC()
	select {
	case <-read:
		t.Error("the descriptor was closed meanwhile: all have waited for it, or nothing is tested")
	default:
	}
}

// inFlight is how many bytes, as the kernel counts them, the other end has not read yet.
func inFlight(t *testing.T, c *net.UnixConn) (n int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}
