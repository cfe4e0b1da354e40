//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !dragonfly

package disk

import "os"

// flock locks nothing: there is no flock(2) here, and nobody serves.
func flock(*os.File) error { return nil }

func funlock(*os.File) {}
