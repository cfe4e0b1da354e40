//go:build linux || darwin

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// writable is why a folder cannot be written by us, by the kernel's word: a read-only file
// system, or a mode.
func writable(folder string) error {
	if err := unix.Faccessat(unix.AT_FDCWD, folder, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return &os.PathError{Op: "write", Path: folder, Err: err}
	}
	return nil
}
