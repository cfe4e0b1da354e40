//go:build linux || darwin

package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

// heldLogin is a login in memory that nobody watches or refreshes.
func heldLogin(tb testing.TB) (*Login, *idp.Server) {
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
	return l, issuer
}

// readPath is one get, from the client's write to its read, with the daemon's
// own code and system calls between them.
func readPath(tb testing.TB) func() {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(shortDir(tb), "s"), Net: "unix"})
	if err != nil {
		tb.Fatal(err)
	}
	defer listener.Close()
	client, err := net.Dial("unix", listener.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { client.Close() })
	peer, err := listener.AcceptUnix()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { peer.Close() })
	l, _ := heldLogin(tb)
	c := newConn(newServer(l, ""), peer)
	request, answer := []byte("get https://fal.run\n"), make([]byte, protocol.MaxLine)
	return func() {
		client.Write(request)
		if line, err := c.readLine(); err != nil || !c.serve(line) {
			tb.Fatal("not served: ", err)
		}
		if n, err := client.Read(answer); err != nil || answer[n-1] != '\n' {
			tb.Fatalf("%d bytes, %v", n, err)
		}
	}
}

// §4: the request fits a line and its answer does not: that is no fault of the
// framing, and the connection goes on.
func TestAnswerThatFitsNoLine_Section4(t *testing.T) {
	h := newHouse(t, idp.Config{})
	h.signIn("ann")
	h.serve(func(*server) {})
	c := h.dial()
	server := "https://fal.run/" + strings.Repeat("a", protocol.MaxLine-100)
	for _, verb := range []string{"get ", "get ", "watch "} {
		c.send(verb + server + "\n")
		line, err := c.in.ReadLine()
		if err != nil {
			t.Fatal(err)
		}
		if err := protocol.ParseAnswer(line, nil); !errors.Is(err, errNoLine) {
			t.Errorf("%s: %v", verb, err)
		}
	}
}

// R2: a clock that was set, and a machine that slept, end the short way.
func TestReadPathEndsWithTheClock(t *testing.T) {
	l, _ := heldLogin(t)
	v := l.view.Load()
	if now := time.Now(); !v.calm(now) || v.calm(v.since.Add(v.quiet)) {
		t.Fatal("the answer is not ready for half of the token's life")
	}
	for _, jump := range []time.Duration{-time.Hour, -2 * time.Second, 2 * time.Second, time.Hour} {
		v.sinceWall -= int64(jump)
		if v.calm(time.Now()) {
			t.Errorf("ready after a jump of %v", jump)
		}
		v.sinceWall += int64(jump)
	}
}

// A get takes no lock: it is answered while somebody holds it.
func TestReadPathTakesNoLock(t *testing.T) {
	l, _ := heldLogin(t)
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

// BenchmarkWaiters is the time from the issuer's answer until 10,000 who wait for
// one refresh have its token (R1), beside that of one: the token's way to the disk
// is in both. The least that Go can do is to wake as many who wait for a channel.
func BenchmarkWaiters(b *testing.B) {
	for _, many := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("refresh/%d", many), func(b *testing.B) { benchmarkWaiters(b, many) })
	}
	b.Run("channel/10000", func(b *testing.B) {
		var took []time.Duration
		for b.Loop() {
			done := make(chan struct{})
			took = append(took, release(10_000, func() { <-done }, func() {}, func() { close(done) }))
		}
		reportMedian(b, took)
	})
}

func benchmarkWaiters(b *testing.B, many int) {
	query := protocol.Query{ServerURL: protocol.DefaultServer}
	l, issuer := heldLogin(b)
	var took []time.Duration
	for b.Loop() {
		hold := idp.NewHold()
		issuer.Inject(hold.After())
		expire(b, l, issuer)
		wait := func() {
			if _, err := l.credential(context.Background(), query); err != nil {
				b.Error(err)
			}
		}
		took = append(took, release(many, wait, func() { <-hold.Arrived }, func() { close(hold.Release) }))
		l.work.Wait()
	}
	reportMedian(b, took)
}

func reportMedian(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1e3, "ms/release")
}

// release lets many wait, lets go of them, and says how long it takes until the last of
// them has waited.
func release(many int, wait, ready, letGo func()) time.Duration {
	background := parked()
	var come, gone sync.WaitGroup
	for range many {
		come.Add(1)
		gone.Go(func() {
			come.Done()
			wait()
		})
	}
	come.Wait()
	ready()
	for parked() < background+many { // until the last of them waits, but for a few: that is not measured
		runtime.Gosched()
	}
	begun := time.Now()
	letGo()
	gone.Wait()
	return time.Since(begun)
}

// parked is how many goroutines wait for something.
func parked() int {
	waiting := []metrics.Sample{{Name: "/sched/goroutines/waiting:goroutines"}}
	metrics.Read(waiting)
	return int(waiting[0].Value.Uint64())
}

// expire puts a login into the home whose access token has run out.
func expire(b *testing.B, l *Login, issuer *idp.Server) {
	b.Helper()
	refresh := l.login.refresh // another login that is older would be taken for an old copy (F5)
	if refresh == "" {
		refresh, _, _ = issuer.Login("ann")
	}
	access := issuer.Mint("ann", time.Now().Add(-48*time.Hour), 24*time.Hour)
	if err := os.WriteFile(filepath.Join(l.cfg.Home, env.TokenFile), []byte(refresh+"\n"+access), 0o600); err != nil {
		b.Fatal(err)
	}
	l.check()
}

// What others share is short: a long line would stay in memory with each of them.
func TestLongRequestsAreNotShared(t *testing.T) {
	l, _ := heldLogin(t)
	s := newServer(l, "")
	peer, _ := pairOf(t)
	for pad, shared := range map[int]bool{0: true, 300: false} {
		s.usual.Store(nil)
		line := `get {"ServerURL":"https://fal.run","Pad":"` + strings.Repeat("x", pad) + `"}`
		if _, err := newConn(s, peer).parse(line); err != nil {
			t.Fatal(err)
		}
		if got := s.usual.Load() != nil; got != shared {
			t.Errorf("a line of %d bytes is shared: %t", len(line), got)
		}
	}
}
