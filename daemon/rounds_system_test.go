//go:build system

package daemon

// oneIn: all rounds are run where there is time.
const oneIn = 1
