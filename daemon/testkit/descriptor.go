package testkit

import (
	"net"
	"os"
	"testing"
	"time"
)

// SlowToClose is a descriptor whose last close takes until the test ends, or that many
// seconds: a connection with SO_LINGER whose other end reads nothing.
func SlowToClose(t testing.TB, seconds int) *os.File {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	deaf, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deaf.Close() })
	// Until the kernel takes no more: under load one try may not have come to its turn.
	for full := 0; full < 3; {
		conn.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		if n, _ := conn.Write(make([]byte, 1<<20)); n == 0 {
			full++
		} else {
			full = 0
		}
	}
	tcp := conn.(*net.TCPConn)
	tcp.SetLinger(seconds)
	file, err := tcp.File()
	if err != nil {
		t.Fatal(err)
	}
	tcp.Close()
	return file
}
