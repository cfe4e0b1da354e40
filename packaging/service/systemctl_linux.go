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

	"github.com/falcred/falcred/protocol/strict"
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
	return s.quietly(ctx, "show-environment")
}

// runtimeDir finds the user's manager from cron and su, too: what root's shell has named is not
// his.
func (s systemd) runtimeDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" && !s.System {
		if info, err := os.Stat(dir); err == nil && strict.Ours(info) {
			return dir
		}
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

// shownProperties is what systemctl shows of a unit, by name.
func (s systemd) shownProperties(ctx context.Context, unit string) map[string]string {
	var shown strings.Builder
	s.call(ctx, &shown, io.Discard, []string{"show", "--property=LoadState,FragmentPath,UnitFileState,ActiveState,ExecMainStatus,StatusText", unit})
	property := map[string]string{}
	for line := range strings.Lines(shown.String()) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		property[name] = value
	}
	return property
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
