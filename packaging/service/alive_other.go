//go:build !windows && !linux

package service

import "syscall"

// alive says whether a process of ours runs; 0 is none.
func alive(pid int) bool { return pid > 0 && syscall.Kill(pid, 0) == nil }
