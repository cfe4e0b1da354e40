//go:build linux || darwin

package daemon

import "testing"

// A get of a good token makes nothing: the answer's bytes were made by the first one
// after the token changed.
func TestReadPathAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(1000, readPath(t)); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
