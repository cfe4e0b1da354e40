package service

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/falcred/falcred/packaging"
)

// template is the unit that all users' system services share.
func (s systemd) template() string { return filepath.Join(s.folder(), "falcred@.service") }

func (s systemd) installSystem(ctx context.Context) error {
	if s.packaged() {
		s.say("the package's falcred@.service is used")
	} else {
		program, err := s.program()
		if err != nil {
			return err
		}
		if _, err := s.write(written{s.template(), packaging.System(program), 0o644}); err != nil {
			return err
		}
	}
	if err := s.systemctl(ctx, "daemon-reload"); err != nil {
		return err
	}
	if err := s.systemctl(ctx, "enable", "--quiet", s.unit()); err != nil {
		return err
	}
	s.ownMakesWay(ctx)
	if err := s.restart(ctx); err != nil {
		return err
	}
	s.say("%s runs, and starts with the machine", s.unit())
	return nil
}

// ownMakesWay stops the user's own service, if his manager runs. It does not come back: its
// units look for the machine's.
func (s systemd) ownMakesWay(ctx context.Context) {
	runtime := "/run/user/" + s.account.uid
	if !exists(filepath.Join(runtime, "systemd", "private")) {
		return // no manager of this user's, and so no service of it
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second) // a user's manager may be anything
	defer cancel()
	cmd := exec.CommandContext(ctx, "systemctl", "--user", "stop", "falcred.socket", "falcred.service") // #nosec G204 -- our own arguments, and no shell
	cmd.WaitDelay = time.Second
	cmd.Env = append(s.environment(), "XDG_RUNTIME_DIR="+runtime)
	err := s.asUser(cmd)
	if err == nil {
		err = cmd.Run()
	}
	if exit := new(exec.ExitError); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == unknownUnit) {
		s.say("%s's own service may still run: systemctl --user stop falcred.socket: %v", s.User, err)
	}
}

// unknownUnit is systemctl's exit status where a unit is not loaded: there is none.
const unknownUnit = 5

func (s systemd) uninstallSystem(ctx context.Context) error {
	s.quietly(ctx, "disable", "--now", "--quiet", s.unit())
	s.quietly(ctx, "reset-failed", s.unit()) // one that has failed is listed below
	others, err := filepath.Glob(filepath.Join(s.folder(), "*.wants", "falcred@*.service"))
	if err != nil {
		return err
	}
	var running strings.Builder // one that was started and not enabled
	s.call(ctx, &running, io.Discard, []string{"list-units", "--plain", "--no-legend", "falcred@*.service"})
	for line := range strings.Lines(running.String()) {
		if fields := strings.Fields(line); len(fields) > 0 {
			others = append(others, fields[0])
		}
	}
	if len(others) > 0 {
		s.say("kept %s: %s needs it", s.template(), filepath.Base(others[0]))
	} else if err := s.unlink(s.template()); err != nil {
		return err
	}
	return s.systemctl(ctx, "daemon-reload")
}
