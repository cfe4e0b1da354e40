package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/falcred/falcred/packaging"
	"github.com/falcred/falcred/protocol/strict"
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
		if err := trusted(exec); err != nil {
			return err
		}
		if _, err := s.write(written{s.template(), packaging.System(exec)}); err != nil {
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
	s.quietly(ctx, "reset-failed", s.unit())
	return s.systemctl(ctx, "daemon-reload")
}

// trusted: all users' services run this one program, each as its own user. So root,
// as whom this runs, alone may change it, or any folder or link on the way to it.
func trusted(path string) error {
	at := path
	if err := strict.File(path); err != nil {
		t := strict.As(err)
		if t == nil {
			return err
		}
		at = t.Path
	} else {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if ok && stat.Uid == 0 && info.Mode().Perm()&0o002 == 0 && (info.Mode().Perm()&0o020 == 0 || stat.Gid == 0) {
			return nil
		}
	}
	return fmt.Errorf("users other than root can change %s, which the service would run\ninstall it where only root can write: sudo install falcred docker-credential-fal /usr/local/bin", at)
}

// asUser is for what the user's own manager has to do, if one runs.
func (s *service) asUser(ctx context.Context, name string, args ...string) {
	uid, errUID := strconv.ParseUint(s.user.uid, 10, 32)
	gid, errGID := strconv.ParseUint(s.user.gid, 10, 32)
	if errUID != nil || errGID != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second) // the user's manager may be anything
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...) // #nosec G204 -- our own arguments, and no shell
	cmd.Env = []string{"HOME=" + s.user.home, "PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=/run/user/" + s.user.uid}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	if err := cmd.Run(); err != nil {
		s.say("%s's own service may still run: systemctl --user stop falcred.socket: %v", s.user.name, err)
	}
}
