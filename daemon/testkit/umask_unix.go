//go:build unix

package testkit

import "syscall"

// Umask makes this process's umask the usual one: a home that its group may write is
// none, and t.TempDir goes by it. It is for a TestMain.
func Umask() { syscall.Umask(0o022) }
