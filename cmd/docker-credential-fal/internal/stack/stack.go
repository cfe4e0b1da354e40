// Package stack grows the stack of the program's first goroutine to what a run needs
// before anything else is on it. Otherwise the runtime grows it twice later, and each
// time copies dozens of frames and touches fresh memory: some 2 % of the life of a
// process that lives for a millisecond.
//
// It works by its place: packages are initialised in the order of their import paths as
// far as their own imports allow, and this one imports nothing.
package stack

var _ = grow(0)

// grow needs more room than a new stack has, so that the runtime grows it now.
//
//go:noinline
func grow(i int) byte {
	var room [6 << 10]byte
	return room[i]
}
