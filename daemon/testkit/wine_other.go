//go:build !windows

package testkit

// Wine says whether this is not a real Windows.
func Wine() bool { return false }
