//go:build linux || darwin

package limits

import "syscall"

const (
	openFiles   = syscall.RLIMIT_NOFILE
	addressable = syscall.RLIMIT_AS
	written     = syscall.RLIMIT_FSIZE
)

// most is a soft limit. That of open files a Go program has raised to the hard one by now.
func most(which int) (n uint64, ok bool) {
	var limit syscall.Rlimit
	if syscall.Getrlimit(which, &limit) != nil {
		return 0, false
	}
	return limit.Cur, true
}
