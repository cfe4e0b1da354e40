//go:build system

package main_test

// oneIn: all rounds are run where there is time.
const oneIn = 1
