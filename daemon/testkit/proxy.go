package testkit

import (
	"io"
	"net"
	"testing"
)

// Answering is a proxy that says so to every request, and a secret beside it. It ends with the
// test.
func Answering(t testing.TB, status string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Read(make([]byte, 4096))
			io.WriteString(c, status+"\r\nX: a secret\r\nContent-Length: 8\r\n\r\na secret")
			c.Close()
		}
	}()
	return "http://" + l.Addr().String()
}
