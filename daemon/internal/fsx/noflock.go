//go:build windows || aix

package fsx

import "os"

// TryLock locks nothing: there is no flock(2) here, and nobody serves.
func TryLock(*os.File) error { return nil }
