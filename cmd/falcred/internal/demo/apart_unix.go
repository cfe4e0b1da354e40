//go:build unix

package demo

import (
	"os/exec"
	"syscall"
)

// apart keeps a Ctrl-C from a program: the demo alone is to know of it, and ends the others in order.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
