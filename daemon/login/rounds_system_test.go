//go:build system

package login

// oneIn: all rounds are run where there is time.
const oneIn = 1
