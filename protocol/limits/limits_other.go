//go:build !linux && !darwin

package limits

const openFiles, addressable, written = 0, 0, 0

func most(int) (n uint64, ok bool) { return 0, false } // nobody serves here
