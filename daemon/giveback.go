package daemon

import (
	"runtime/debug"
	"runtime/metrics"
)

// needless is how much memory may lie about unused.
const needless = 1 << 20

// giveBack returns to the system what the start or a refresh needed, the next one
// being half of a token's life away, and the memory that clients needed who have left.
// It is done when the schedule's alarm has rung, and not while a refresh is under way,
// which would need it all again.
func (l *Login) giveBack(given int) (refreshes int) {
	l.mu.Lock()
	refreshes = l.refreshes
	busy := l.flight != nil
	l.mu.Unlock()
	if busy {
		return given
	}
	unused := []metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(unused)
	if refreshes != given || unused[0].Value.Uint64() > needless {
		debug.FreeOSMemory()
	}
	if refreshes != given { // clients need the same pages again and again
		dropFilePages()
	}
	return refreshes
}
