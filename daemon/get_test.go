//go:build linux || darwin

package daemon

import (
	"context"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
)

// heldLogin is a login in memory that nobody watches or refreshes.
func heldLogin(tb testing.TB) *Login {
	tb.Helper()
	issuer, err := idp.Start(idp.Config{Lifetime: 24 * time.Hour})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(issuer.Close)
	l, err := newLogin(testConfig(tb.TempDir(), issuer.URL), slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(l.close)
	refresh, access, _ := issuer.Login("ann")
	l.mu.Lock()
	defer l.mu.Unlock()
	l.adoptLocked(pair{refresh, access}, time.Now())
	return l
}

// readPath is what the daemon does for a get between the two system calls.
func readPath(tb testing.TB) func() {
	c := &conn{server: newServer(heldLogin(tb), "")}
	dst := make([]byte, 0, 4<<10)
	return func() {
		r, err := c.parse("get https://fal.run")
		if err != nil {
			tb.Fatal(err)
		}
		credential := c.login.ready(r.query, time.Now())
		if _, err := credential.line.Append(dst, r.query.ServerURL); err != nil {
			tb.Fatal(err)
		}
	}
}

// A get of a good token makes nothing: the answer's bytes were made when the
// token changed.
func TestReadPathAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(1000, readPath(t)); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A get takes no lock: it is answered while somebody holds it.
func TestReadPathTakesNoLock(t *testing.T) {
	l := heldLogin(t)
	l.mu.Lock()
	defer l.mu.Unlock()
	answered := make(chan *credential, 1)
	go func() { answered <- l.ready(protocol.Query{ServerURL: protocol.DefaultServer}, time.Now()) }()
	select {
	case c := <-answered:
		if c == nil {
			t.Error("no answer is ready")
		}
	case <-time.After(patience):
		t.Error("a get waits for the lock")
	}
}

func BenchmarkReadPath(b *testing.B) {
	get := readPath(b)
	b.ReportAllocs()
	for b.Loop() {
		get()
	}
}

// BenchmarkGet is a request and its answer on a connection that stays, beside the
// least that Go needs for as many bytes (echo).
func BenchmarkGet(b *testing.B) {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(shortDir(b), "s"), Net: "unix"})
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	s := newServer(heldLogin(b), "")
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	go s.accept(ctx, listener)
	path := listener.Addr().String()
	size := converse(b, path, 1)
	b.Run("falcred", func(b *testing.B) { converse(b, path, b.N) })
	echo := filepath.Join(shortDir(b), "e")
	serveEcho(b, echo, size)
	b.Run("echo", func(b *testing.B) { converse(b, echo, b.N) })
}

func converse(b *testing.B, path string, n int) (size int) {
	c, err := net.Dial("unix", path)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	request, answer := []byte("get https://fal.run\n"), make([]byte, protocol.MaxLine)
	b.ReportAllocs()
	b.ResetTimer()
	for range n {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		for size = 0; size == 0 || answer[size-1] != '\n'; {
			more, err := c.Read(answer[size:])
			if err != nil {
				b.Fatal(err)
			}
			size += more
		}
	}
	return size
}

func serveEcho(b *testing.B, path string, size int) {
	listener, err := net.Listen("unix", path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { listener.Close() })
	answer := make([]byte, size)
	answer[size-1] = '\n'
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				request := make([]byte, 4<<10)
				for {
					if _, err := c.Read(request); err == io.EOF {
						return
					}
					c.Write(answer)
				}
			}()
		}
	}()
}
