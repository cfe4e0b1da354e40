//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !dragonfly && !windows

package disk

// flock locks nothing: there is no flock(2) here, and nobody serves.
func flock(File) error { return nil }

func funlock(File) {}
