//go:build unix

package testkit

import "syscall"

func umask() { syscall.Umask(0o022) }
