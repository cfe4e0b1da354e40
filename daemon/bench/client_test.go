//go:build linux

package bench

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
)

// server is one that a client asks.
type server struct {
	socket  string // "" where it cannot be run
	request string
	framed  bool // the answer begins with its length, and does not end a line
}

// conn is a client of a server, connected or not.
type conn struct {
	server
	net.Conn
	buf []byte
}

// stay is the time for one of many answers, on that many connections that all ask at
// once, in µs.
func (s server) stay(b *testing.B, conns int) func() float64 {
	if s.socket == "" {
		return nil
	}
	all := make([]conn, conns)
	for i := range all {
		all[i] = conn{server: s, buf: make([]byte, 16<<10)}
		if err := all[i].dial(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { all[i].Close() })
	}
	times := 10_000 / conns
	return func() float64 {
		begun := time.Now()
		var work sync.WaitGroup
		for _, c := range all {
			work.Go(func() {
				for range times {
					if err := c.ask(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		work.Wait()
		return micro(time.Since(begun)) / float64(times*conns)
	}
}

// come is the time to connect, get an answer and leave, in µs.
func (s server) come(b *testing.B) func() float64 {
	const times = 1500
	c := conn{server: s, buf: make([]byte, 16<<10)}
	return func() float64 {
		begun := time.Now()
		for range times {
			if err := c.dial(); err != nil {
				b.Fatal(err)
			}
			if err := c.ask(); err != nil {
				b.Fatal(err)
			}
			c.Close()
		}
		return micro(time.Since(begun)) / times
	}
}

func micro(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

func (c *conn) dial() (err error) {
	c.Conn, err = net.Dial("unix", c.socket)
	return err
}

// ask asks once.
func (c *conn) ask() error {
	if _, err := io.WriteString(c, c.request); err != nil {
		return err
	}
	n := 0
	for !c.whole(c.buf[:n]) {
		more, err := c.Read(c.buf[n:])
		if err != nil {
			return err
		}
		n += more
	}
	if !c.framed && c.buf[2] != 'S' { // {"ServerURL"
		return fmt.Errorf("no credential but %.100q", c.buf[:n])
	}
	return nil
}

// whole says whether an answer has come to its end.
func (s server) whole(answer []byte) bool {
	if s.framed {
		return len(answer) > 4 && len(answer)-4 == int(binary.BigEndian.Uint32(answer))
	}
	return len(answer) > 0 && answer[len(answer)-1] == '\n'
}

// crowd asks on that many connections, lets go when all are waiting, and measures until
// the last is answered, in ms.
func (l *lab) crowd(s server, many int, allWait, letGo func()) float64 {
	l.Helper()
	conns := make([]conn, many)
	for i := range conns {
		conns[i] = conn{server: s, buf: make([]byte, 4<<10)}
		l.until(func() bool { return conns[i].dial() == nil }) // refused while the kernel's queue is full
		defer conns[i].Close()
		conns[i].SetDeadline(time.Now().Add(testkit.Patience))
	}
	var answered sync.WaitGroup
	for _, c := range conns {
		answered.Go(func() {
			if err := c.ask(); err != nil {
				l.Error(err)
			}
		})
	}
	allWait()
	begun := time.Now()
	letGo()
	answered.Wait()
	return micro(time.Since(begun)) / 1e3
}
