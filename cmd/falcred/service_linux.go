package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/falcred/falcred/packaging"
)

// unit is the service that runs, for systemctl.
func (s *service) unit() string {
	if s.system {
		return "falcred@" + s.user.name + ".service"
	}
	return s.name + ".service"
}

func (s *service) socketUnit() string { return s.name + ".socket" }

// packagedUnits are those that a package has installed for everybody.
func (s *service) packagedUnits() bool {
	file := "/usr/lib/systemd/user/falcred.socket"
	if s.system {
		file = "/usr/lib/systemd/system/falcred@.service"
	}
	_, err := os.Stat(file)
	self, selfErr := stableSelf()
	return err == nil && selfErr == nil && self == packaging.PackagedExec && s.standard && len(s.env) == 0
}

// unitFolder is where systemd looks for units of this user, or of the machine's
// administrator.
func (s *service) unitFolder() string {
	if s.system {
		return "/etc/systemd/system"
	}
	config := os.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(config) {
		config = filepath.Join(s.user.home, ".config")
	}
	return filepath.Join(config, "systemd", "user")
}

func (s *service) install(ctx context.Context) error {
	if _, err := stableSelf(); err != nil {
		return err
	}
	if err := s.systemd(ctx); err != nil {
		return err
	}
	if s.system {
		return s.installSystem(ctx)
	}
	unit, socket, err := s.userFiles()
	if err != nil {
		return err
	}
	changed := false // the socket
	if s.packagedUnits() {
		s.say("the package's units are used")
		err = s.unlink(unit.path, socket.path) // of an earlier install, which would hide them
	} else if _, err = s.write(unit); err == nil {
		changed, err = s.write(socket)
	}
	if err != nil {
		return err
	}
	if err := s.systemctl(ctx, "daemon-reload"); err != nil {
		return err
	}
	if err := s.systemctl(ctx, "enable", "--quiet", s.socketUnit(), s.unit()); err != nil {
		return err
	}
	if changed {
		if err := s.systemctl(ctx, "stop", s.socketUnit(), s.unit()); err != nil {
			return err
		}
	}
	// A socket that stays holds those who ask while the daemon is replaced.
	if err := s.restart(ctx); err != nil {
		return err
	}
	if s.quietly(ctx, "is-active", "--quiet", s.unit()) != nil {
		return fmt.Errorf("%s does not run: a service of the machine (falcred@%s) serves you already, or see %s", s.unit(), s.user.name, s.journal())
	}
	s.say("%s runs, and starts whenever you log in; without a login too, after: loginctl enable-linger", s.unit())
	s.closing()
	return nil
}

func (s *service) userFiles() (unit, socket written, err error) {
	exec, err := stableSelf()
	if err != nil {
		return unit, socket, err
	}
	u := packaging.Unit{Name: s.name, Exec: exec, Socket: s.socket, Env: s.env}
	if !s.standard {
		u.Home = s.home
	}
	unit.path = filepath.Join(s.unitFolder(), s.unit())
	socket.path = filepath.Join(s.unitFolder(), s.socketUnit())
	unit.text, socket.text = packaging.User(u)
	return unit, socket, nil
}

func (s *service) uninstall(ctx context.Context) error {
	if err := s.systemd(ctx); err != nil {
		return err
	}
	if s.system {
		return s.uninstallSystem(ctx)
	}
	files := []string{filepath.Join(s.unitFolder(), s.unit()), filepath.Join(s.unitFolder(), s.socketUnit())}
	if _, err := os.Stat(files[0]); err != nil && s.packagedUnits() {
		s.quietly(ctx, "disable", "--quiet", s.socketUnit(), s.unit()) // the links that install has made
		s.say("the package's own units stay, for everybody\nto keep them out for yourself: systemctl --user mask --now falcred.socket falcred.service")
		return nil
	}
	// What is not there needs no stopping.
	s.quietly(ctx, "disable", "--now", "--quiet", s.socketUnit(), s.unit())
	if err := s.unlink(files...); err != nil {
		return err
	}
	s.quietly(ctx, "reset-failed", s.socketUnit(), s.unit())
	return s.systemctl(ctx, "daemon-reload")
}

func (s *service) start(ctx context.Context) error {
	return s.systemctl(ctx, append([]string{"start"}, s.units()...)...)
}

func (s *service) stop(ctx context.Context) error {
	return s.systemctl(ctx, append([]string{"stop"}, s.units()...)...)
}

// restart leaves the socket alone: it holds those who ask meanwhile.
func (s *service) restart(ctx context.Context) error {
	if err := s.systemctl(ctx, "restart", s.unit()); err != nil {
		return fmt.Errorf("%w\nsee why: %s", err, s.journal())
	}
	return nil
}

func (s *service) status(ctx context.Context) error {
	return s.systemctl(ctx, append([]string{"status", "--no-pager", "--lines=5"}, s.units()...)...)
}

// units are stopped in one step: a socket that is left would start the service
// again.
func (s *service) units() []string {
	if s.system {
		return []string{s.unit()}
	}
	return []string{s.socketUnit(), s.unit()}
}

func (s *service) journal() string {
	if s.system {
		return "journalctl -u " + s.unit()
	}
	return "journalctl --user -u " + s.unit()
}
