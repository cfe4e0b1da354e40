//go:build unix

package main

import "syscall"

func session() int {
	sid, _, _ := syscall.Syscall(syscall.SYS_GETSID, 0, 0, 0)
	return int(sid)
}

func console() bool { return false }
