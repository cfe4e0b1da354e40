//go:build unix

package events

import (
	"context"
	"os/exec"
	"syscall"
)

// shell is a command of the user's for /bin/sh. The end of ctx ends its children as well.
func shell(ctx context.Context, command string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command) // #nosec G204 -- the user's own command
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// run has a shell's command run to its end.
func run(cmd *exec.Cmd) error { return cmd.Run() }

// nobodys is a folder into which nobody else can have put a program.
func nobodys() string { return "/" }

// variable is a text for the shell to find in its environment.
func variable(text string) string { return text }
