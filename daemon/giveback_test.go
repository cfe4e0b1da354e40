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
