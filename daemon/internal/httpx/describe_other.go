//go:build !windows

package httpx

import "syscall"

func errnoText(errno syscall.Errno) string { return errno.Error() }
