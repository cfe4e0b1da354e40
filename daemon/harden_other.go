//go:build !linux

package daemon

// Harden does nothing here: S4 speaks of Linux.
func Harden() error { return nil }
