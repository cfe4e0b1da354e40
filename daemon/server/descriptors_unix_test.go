//go:build unix

package server

import "testing"

// S6: 64 descriptors are kept back; where there are few in all, half of them, and the least
// that will do. One client is always let in.
func TestConnections_S6(t *testing.T) {
	for files, want := range map[int]int{1 << 20: 1<<20 - 64, 1024: 960, 128: 64, 104: 52, 80: 40, 64: 24, 41: 1, 40: 1} {
		if got := connections(files); got != want {
			t.Errorf("%d files: %d connections, want %d", files, got, want)
		}
	}
}
