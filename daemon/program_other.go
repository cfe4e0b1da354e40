//go:build !linux

package daemon

// unmapProgram leaves it to the system.
func unmapProgram() {}
