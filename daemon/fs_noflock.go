//go:build windows || aix

package daemon

import "os"

// lockPlace: there is no flock(2) here, and nobody serves.
func lockPlace(*os.File) error { return nil }
