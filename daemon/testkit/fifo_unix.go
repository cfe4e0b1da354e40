//go:build unix && !aix

package testkit

import "syscall"

// Mkfifo makes one that is ours alone.
func Mkfifo(path string) error { return syscall.Mkfifo(path, 0o600) }
