package service

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

// check says clearly that there is no manager of this user's.
func (s systemd) check(ctx context.Context) error {
	if _, err := exec.LookPath("systemctl"); err != nil {
		return fmt.Errorf("%w\n%s", err, instead)
	}
	if s.System {
		return nil
	}
	if !exists(s.runtimeDir()) {
		return fmt.Errorf("no service manager of user %s runs here\nlog in, or: sudo loginctl enable-linger %s", s.User, s.User)
	}
	os.Setenv("XDG_RUNTIME_DIR", s.runtimeDir()) // kardianos's systemctl finds it there
	return s.quietly(ctx, "show-environment")
}

// runtimeDir finds the user's manager from cron and su, too.
func (s systemd) runtimeDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" && !s.System {
		return dir
	}
	return "/run/user/" + s.account.uid
}

// systemctl runs it for the user's own manager or the machine's.
func (s systemd) systemctl(ctx context.Context, args ...string) error {
	if err := s.call(ctx, s.out, s.err, args); err != nil {
		return fmt.Errorf("systemctl %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// quietly is for what may fail.
func (s systemd) quietly(ctx context.Context, args ...string) error {
	var said strings.Builder
	if err := s.call(ctx, io.Discard, &said, args); err != nil {
		return fmt.Errorf("systemctl %s: %w\n%s", strings.Join(args, " "), err, strings.TrimSpace(said.String()))
	}
	return nil
}

// shown prints what systemctl does, and returns its exit status: scripts know it.
func (s systemd) shown(ctx context.Context, args ...string) (code int, err error) {
	err = s.call(ctx, s.out, s.err, args)
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

func (s systemd) shownProperties(ctx context.Context) string {
	var shown strings.Builder
	s.call(ctx, &shown, io.Discard, []string{"show", "--property=LoadState,FragmentPath,ActiveState,ExecMainStatus,StatusText", s.unit()})
	return shown.String()
}

func (s systemd) call(ctx context.Context, out, errOut io.Writer, args []string) error {
	cmd := exec.CommandContext(ctx, "systemctl", args...) // #nosec G204 -- our own arguments, and no shell
	cmd.Env = os.Environ()
	if !s.System {
		cmd.Args = append([]string{"systemctl", "--user"}, args...)
		cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+s.runtimeDir())
	}
	cmd.Stdout, cmd.Stderr = out, errOut
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
