package daemon

import (
	"runtime/debug"
	"runtime/metrics"
)

// needless is how much memory may lie about unused.
const needless = 1 << 20

// giveBack returns to the system what the start or a refresh needed, the next one
// being half of a token's life away, and what clients needed who are gone. At the
// minute's look, not before, nobody is waiting for it.
func (l *Login) giveBack(given int) (refreshes int) {
	l.mu.Lock()
	refreshes = l.refreshes
	l.mu.Unlock()
	unused := []metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(unused)
	if refreshes != given || unused[0].Value.Uint64() > needless {
		debug.FreeOSMemory()
		unmapProgram()
	}
	return refreshes
}
