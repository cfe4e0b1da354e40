//go:build linux && system

package faults

import (
	"bytes"
	"sync"
	"time"
)

// patience bounds every wait. It covers R7's 17 s and a pause after them, so
// that running into it means: never.
const patience = 40 * time.Second

// until polls: what is waited for happens in another process.
func (s *scene) until(what string, ok func() bool) {
	s.Helper()
	if !within(patience, ok) {
		s.Fatal("it never came that ", what)
	}
}

func within(d time.Duration, ok func() bool) bool {
	deadline := time.After(d)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			return false
		}
	}
	return true
}

// logs collects what daemons say; their copying goroutines write it.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logs) tail() string {
	text := l.String()
	return text[max(0, len(text)-8000):]
}
