// Package testkit is what the tests of several packages share.
package testkit

import (
	"bytes"
	"os"
	"sync"
	"testing"
	"time"
)

// Patience is how long a test waits for what has to happen: long, as nobody waits for it
// but a test that fails.
const Patience = 20 * time.Second

// ShortDir is a folder that fits a socket's path, which t.TempDir does not. It goes with
// the test.
func ShortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "fc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Eventually polls what no channel tells.
func Eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.After(Patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
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
