package daemon

import (
	"runtime"
	"testing"
)

// What clients needed is given back without a refresh, once the collector has it.
func TestMemoryIsGivenBack(t *testing.T) {
	released := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapReleased
	}
	const crowd = 64 << 20
	needed := make([]byte, crowd)
	for i := range needed {
		needed[i] = 1
	}
	needed = nil
	_ = needed
	before := released()
	runtime.GC()
	new(Login).giveBack(0)
	if got := released() - before; int64(got) < crowd/2 {
		t.Errorf("%d bytes were given back", int64(got))
	}
}

// What is given back is what a start and each refresh needed, and not while a refresh
// needs it.
func TestGivenBackOnceForEachRefresh(t *testing.T) {
	var l Login
	if got := l.giveBack(-1); got != 0 {
		t.Errorf("after the start: %d", got)
	}
	l.flight = &flight{}
	l.refreshes = 2
	if got := l.giveBack(1); got != 1 {
		t.Errorf("while a refresh is under way: %d", got)
	}
	l.flight = nil
	if got := l.giveBack(1); got != 2 {
		t.Errorf("after it: %d", got)
	}
}
