package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/falcred/falcred/packaging"
)

// template is the unit that all users' system services share.
func (s *service) template() string { return filepath.Join(s.unitFolder(), "falcred@.service") }

func (s *service) installSystem(ctx context.Context) error {
	if s.packagedUnits() {
		s.say("the package's falcred@.service is used")
	} else {
		exec, err := stableSelf()
		if err != nil {
			return err
		}
		if err := s.trusted(exec); err != nil {
			return err
		}
		text, err := packaging.System(exec)
		if err != nil {
			return err
		}
		if _, err := s.write(written{s.template(), text}); err != nil {
			return err
		}
	}
	if err := s.systemctl(ctx, "daemon-reload"); err != nil {
		return err
	}
	if err := s.systemctl(ctx, "enable", "--quiet", s.unit()); err != nil {
		return err
	}
	// The user's own service makes way, and does not come back: its units look
	// for this one.
	s.asUser(ctx, "systemctl", "--user", "stop", "falcred.socket", "falcred.service")
	if err := s.restart(ctx); err != nil {
		return err
	}
	s.say("%s runs, and starts with the machine", s.unit())
	s.closing()
	return nil
}

func (s *service) uninstallSystem(ctx context.Context) error {
	s.quietly(ctx, "disable", "--now", "--quiet", s.unit())
	others, err := filepath.Glob(filepath.Join(s.unitFolder(), "*.wants", "falcred@*.service"))
	if err != nil {
		return err
	}
	if len(others) > 0 {
		s.say("kept %s: %s needs it", s.template(), filepath.Base(others[0]))
	} else if err := s.unlink(s.template()); err != nil {
		return err
	}
	s.quietly(ctx, "reset-failed", s.unit())
	return s.systemctl(ctx, "daemon-reload")
}

// trusted: a user who may change the program would act as the one it runs as.
func (s *service) trusted(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if owner := strconv.Itoa(int(stat.Uid)); !ok || owner != "0" && owner != s.user.uid || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s can be changed by others than root and %s\ninstall it where only root writes: sudo install falcred docker-credential-fal /usr/local/bin", path, s.user.name)
	}
	return nil
}

// asUser is for what the user's own manager has to do, if one runs.
func (s *service) asUser(ctx context.Context, name string, args ...string) {
	uid, errUID := strconv.ParseUint(s.user.uid, 10, 32)
	gid, errGID := strconv.ParseUint(s.user.gid, 10, 32)
	if errUID != nil || errGID != nil {
		return
	}
	cmd := exec.CommandContext(ctx, name, args...) // #nosec G204 -- our own arguments, and no shell
	cmd.Env = []string{"HOME=" + s.user.home, "PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=/run/user/" + s.user.uid}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	cmd.Run()
}
