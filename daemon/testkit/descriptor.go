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
	conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	conn.Write(make([]byte, 64<<20)) // more than the kernel takes
	tcp := conn.(*net.TCPConn)
	tcp.SetLinger(seconds)
	file, err := tcp.File()
	if err != nil {
		t.Fatal(err)
	}
	tcp.Close()
	return file
}
