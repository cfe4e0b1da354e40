package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// managerPatience is more than a daemon has to end (TimeoutStopSec) and to start.
const managerPatience = 2 * time.Minute

var errManager = errors.New("it did not return within 2 min: does the service manager work?")

// systemd says clearly that there is none, or none of this user's.
func (s *service) systemd(ctx context.Context) error {
	const instead = "docker-credential-fal starts falcred by itself; to have it always: falcred run"
	if info, err := os.Stat("/run/systemd/system"); err != nil || !info.IsDir() {
		return errors.New("systemd does not run on this machine, and no other service manager is supported on Linux\n" + instead)
	}
	if _, err := exec.LookPath("systemctl"); err != nil {
		return fmt.Errorf("%w\n%s", err, instead)
	}
	if s.system {
		return nil
	}
	if _, err := os.Stat(s.runtimeDir()); err != nil {
		return fmt.Errorf("no service manager of user %s runs here\nlog in, or: sudo loginctl enable-linger %s", s.user.name, s.user.name)
	}
	return s.quietly(ctx, "show-environment")
}

// runtimeDir finds the user's manager from cron and su, too.
func (s *service) runtimeDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" && !s.system {
		return dir
	}
	return "/run/user/" + s.user.uid
}

// systemctl runs it for the user's own manager or the machine's. Its exit
// status is falcred's: scripts know it.
func (s *service) systemctl(ctx context.Context, args ...string) error {
	if err := s.systemd(ctx); err != nil {
		return err
	}
	return s.call(ctx, s.out, s.err, args)
}

// quietly is for what may fail.
func (s *service) quietly(ctx context.Context, args ...string) error {
	var said strings.Builder
	if err := s.call(ctx, io.Discard, &said, args); err != nil {
		return fmt.Errorf("systemctl %s: %w\n%s", strings.Join(args, " "), err, strings.TrimSpace(said.String()))
	}
	return nil
}

func (s *service) call(ctx context.Context, out, errOut io.Writer, args []string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, managerPatience, errManager)
	defer cancel()
	cmd := exec.CommandContext(ctx, "systemctl", args...) // #nosec G204 -- our own arguments, and no shell
	cmd.Env = os.Environ()
	if !s.system {
		cmd.Args = append([]string{"systemctl", "--user"}, args...)
		cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+s.runtimeDir())
	}
	cmd.Stdout, cmd.Stderr = out, errOut
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if exit := new(exec.ExitError); errors.As(err, &exit) && args[0] == "status" {
		return exitCode(exit.ExitCode())
	}
	if err != nil {
		return fmt.Errorf("systemctl %s: %w", strings.Join(args, " "), err)
	}
	return nil
}
