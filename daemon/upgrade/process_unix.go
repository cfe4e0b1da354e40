//go:build unix

package upgrade

import "syscall"

// detached has the successor lead a session of its own, as whoever is started on demand does.
var detached = &syscall.SysProcAttr{Setsid: true}

func closeOnExec(fd int) { syscall.CloseOnExec(fd) }
