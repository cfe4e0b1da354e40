package server

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
)

// What a client can make grow is bounded: connections by those of all and of each user,
// requests of others by their number in a second, lines of the log by their kind.

const (
	// eachTakes and burst: others' requests are answered a thousand times a second for each
	// user, all his connections together, and as many at once after a second of silence. A
	// user who sends them without a pause must not have the owner's processors.
	eachTakes = time.Millisecond
	burst     = time.Second

	// maxAlike lines of one kind are logged in a time of logAgain.
	maxAlike = 16
	logAgain = 24 * time.Hour
)

// visitor is a user who may connect: there are as many as FALCRED_ALLOW_UIDS names, ourselves
// and root.
type visitor struct {
	open int // connections; guarded by Server.mu

	mu   sync.Mutex // guards what follows
	paid time.Time  // up to when his requests have used up their time
}

// early is how long a request comes too early, and counts it.
func (v *visitor) early() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := clock.Now()
	if v.paid.Before(now) {
		v.paid = now
	}
	early := v.paid.Sub(now) - burst
	v.paid = v.paid.Add(eachTakes)
	return max(early, 0)
}

// eachMayHave is how many connections one user may have open: others in equal parts, so that
// none keeps another out; on the owner's own socket he and root leave each other some.
func eachMayHave(limit int, shared bool, others []int) int {
	if !shared {
		if os.Geteuid() == 0 {
			return limit
		}
		return limit - limit/8
	}
	users := map[int]bool{0: true, os.Geteuid(): true}
	for _, uid := range others {
		users[uid] = true
	}
	return max(limit/len(users), 1)
}

// logged is what of clients' doings has been logged.
type logged struct {
	mu    sync.Mutex // guards what follows
	since time.Time
	lines map[string]map[string]bool // by their kind
}

// first says whether a line of a kind is to be logged, and whether it is the last of it.
func (l *logged) first(kind, line string) (first, last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := clock.Now(); l.lines == nil || now.Sub(l.since) > logAgain {
		l.since, l.lines = now, map[string]map[string]bool{}
	}
	alike := l.lines[kind]
	if alike == nil {
		alike = map[string]bool{}
		l.lines[kind] = alike
	}
	if alike[line] || len(alike) == maxAlike {
		return false, false
	}
	alike[line] = true
	return true, len(alike) == maxAlike
}

// warn logs what clients bring about, each thing once a day and not many of a kind: the log
// must not grow with their number. what is a fixed text.
func (l *logged) warn(log *slog.Logger, what string, more ...any) {
	first, last := l.first(what, fmt.Sprint(more...))
	if first {
		log.Warn(what, more...)
	}
	if last {
		log.Warn("further clients like the last ones are not logged today")
	}
}
