package threads

import (
	"testing"
)

// S6: what is reserved stays: a refresh finds it, and starts no thread.
func TestReserve_S6(t *testing.T) {
	if err := Reserve(); err != nil {
		t.Skip("this machine grants no threads: ", err)
	}
	for range 3 {
		before := spare()
		if before < needed {
			t.Fatalf("%d to spare, want %d", before, needed)
		}
		start(before) // which takes none but those
		if after := spare(); after < before {
			t.Errorf("%d to spare, and then %d", before, after)
		}
		if err := Ready(); err != nil {
			t.Error(err)
		}
	}
}
