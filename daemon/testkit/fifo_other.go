//go:build !unix || aix

package testkit

import "errors"

// Mkfifo fails: package syscall makes none here.
func Mkfifo(string) error { return errors.ErrUnsupported }
