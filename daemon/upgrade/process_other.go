//go:build !unix

package upgrade

import "syscall"

var detached *syscall.SysProcAttr

func closeOnExec(int) {}
