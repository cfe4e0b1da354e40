package testkit

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// ErrNetDown is what dialling meets on a [MemoryNet] that is down.
var ErrNetDown = errors.New("network is down")

// MemoryNet is a network in memory: a synctest bubble sees both ends blocked, so its
// clock runs on while a request waits. It is the server's listener.
type MemoryNet struct {
	hang  time.Duration
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once

	mu     sync.Mutex // guards what dialling meets
	down   error
	hangs  bool
	dialed int
}

// NewMemoryNet is one that works. Where it hangs, dialling takes that long, as a
// net.Dialer's with a timeout does.
func NewMemoryNet(hang time.Duration) *MemoryNet {
	return &MemoryNet{hang: hang, conns: make(chan net.Conn), done: make(chan struct{})}
}

// Accept is the server's.
func (n *MemoryNet) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (n *MemoryNet) Close() error {
	n.once.Do(func() { close(n.done) })
	return nil
}

// Addr is no address that can be dialled.
func (n *MemoryNet) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "memory"} }

// Set says what dialling meets from now on: an error, nothing for long, or the server.
func (n *MemoryNet) Set(down error, hangs bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down, n.hangs = down, hangs
}

// Dialed is how often somebody has dialled.
func (n *MemoryNet) Dialed() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dialed
}

// Dial is the client's, whatever the address.
func (n *MemoryNet) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	n.mu.Lock()
	down, hangs := n.down, n.hangs
	n.dialed++
	n.mu.Unlock()
	if down != nil {
		return nil, down
	}
	if hangs {
		<-time.After(n.hang)
		return nil, os.ErrDeadlineExceeded
	}
	client, server := net.Pipe()
	select {
	case n.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
