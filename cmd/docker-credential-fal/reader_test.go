package main_test

import (
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// F2, F3: a reader of the token file beside a daemon that refreshes all the
// time never meets an empty, missing, torn or mixed one.
func TestReaderNeverMeetsATornFile_F2(t *testing.T) {
	testkit.OnWindows(t, "a file that is read without a pause is never renamed over")
	s := newStage(t, idp.Config{})
	refresh, _, _ := s.IDP.Login("ann")
	s.expired(refresh, false)
	s.daemon(s.Sock)
	sockets := []string{s.Sock}
	s.settled(sockets)
	r := reader{stage: s, seen: map[string]string{}, done: make(chan struct{})}
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(r.read)
	}
	begun, count := time.Now(), rounds(150)
	for range count {
		// A new login each time, renamed into place: no write is torn but ours.
		refresh, _, _ := s.IDP.Login("ann")
		s.expired(refresh, false)
		access := s.settled(sockets)
		s.Eventually("a reader has seen it", func() bool { return s.Failed() || r.saw(access) })
	}
	close(r.done)
	readers.Wait()
	stats := s.IDP.Stats()
	t.Logf("%d looks at %d different files during %d refreshes, in %v",
		r.looks, len(r.seen), stats.Refreshes, time.Since(begun).Round(time.Millisecond))
}

// reader reads the token file without a pause.
type reader struct {
	*stage
	done chan struct{}

	mu    sync.Mutex // guards what was seen
	seen  map[string]string
	last  string // access token
	looks int
}

func (r *reader) read() {
	for {
		select {
		case <-r.done:
			return
		default:
		}
		data, err := os.ReadFile(r.File)
		if !r.whole(string(data), err) {
			return
		}
	}
}

func (r *reader) saw(access string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last == access
}

// whole says whether what was read is a whole pair: each refresh token always
// with the same access token, and that a whole JWT.
func (r *reader) whole(data string, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looks++
	refresh, access, two := strings.Cut(data, "\n")
	parts := strings.Split(access, ".")
	before, again := r.seen[refresh]
	switch {
	case err != nil:
		r.Error(err)
	case !two || refresh == "" || strings.ContainsAny(access, "\n\x00") || len(parts) != 3 || len(parts[2]) != rs256:
		r.Errorf("a reader saw %d bytes that are no token file", len(data))
	case again && before != access:
		r.Error("a reader saw a refresh token with two access tokens")
	default:
		r.seen[refresh], r.last = access, access
		return true
	}
	return false
}

// rs256 is the length of a JWT's signature with a key of 2048 bits.
const rs256 = 342
