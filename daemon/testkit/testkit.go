// Package testkit is what the tests of several packages share: waiting ([Within],
// [Eventually], [LogBuffer]), what a machine must have ([NeedTool], [NeedRoot]), what a
// test binary does before its tests ([Isolate], [SideBySide], [PlayRole], [Build]), other
// processes ([Start], [Wait]), the wire ([Listens], [Ask], [Client]), and a home with its
// issuer ([House]).
package testkit

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/protocol/env"
)

// Patience is how long a test waits for what has to happen: long, as nobody waits for it
// but a test that fails. It covers the 17 s that a refresh may take, and the pause after
// them.
const Patience = 40 * time.Second

// ShortDir is a folder that fits a socket's path, which t.TempDir does not. It goes with
// the test.
func ShortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(ShortRoot(), "fc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// ShortRoot is where folders of a short and absolute path are made.
func ShortRoot() string {
	if runtime.GOOS == "windows" {
		return os.TempDir() // /tmp has no drive, and need not be there
	}
	return "/tmp"
}

// Within polls what no channel tells, as what happens in another process, and says
// whether it came in time.
func Within(d time.Duration, done func() bool) bool {
	deadline := time.After(d)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			return false
		}
	}
	return true
}

// Eventually is Within, for what must come.
func Eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	if !Within(Patience, done) {
		t.Fatalf("never: %s", what)
	}
}

// Must ends the test at an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// WantText wants a text to hold another.
func WantText(t testing.TB, text, want string) {
	t.Helper()
	if !strings.Contains(text, want) {
		t.Errorf("%q does not say %q", text, want)
	}
}

// LogBuffer keeps what is logged. It is safe for several goroutines, and its zero value
// is empty.
type LogBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write never fails.
func (l *LogBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String is all that was written so far.
func (l *LogBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// showIfFailed prints the end of it if the test fails.
func (l *LogBuffer) showIfFailed(t testing.TB) {
	t.Cleanup(func() {
		if t.Failed() {
			text := l.String()
			t.Logf("the log, the end of it:\n%s", text[max(0, len(text)-8000):])
		}
	})
}

// FalServers are fal's own, and no others.
func FalServers() env.Servers {
	servers, err := env.NewServers(func(string) string { return "" })
	if err != nil {
		panic(err)
	}
	return servers
}

// WhileReading has n goroutines look at something on and on while change runs. A look that
// fails says why.
func WhileReading(t testing.TB, n int, look func() error, change func()) {
	t.Helper()
	done := make(chan struct{})
	var readers sync.WaitGroup
	defer readers.Wait()
	defer close(done)
	for range n {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := look(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	change()
}
