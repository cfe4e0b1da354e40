//go:build !race && unix

package daemon

import "testing"

// A get of a good token makes nothing: the answer's bytes were made when the
// token changed. (With the race detector a sync.Pool forgets at random.)
func TestReadPathAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(1000, readPath(t)); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
