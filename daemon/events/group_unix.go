//go:build unix

package events

import (
	"os/exec"
	"syscall"
)

// ownGroup has the end of cmd's context end its children as well.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
