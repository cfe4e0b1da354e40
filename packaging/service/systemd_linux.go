package service

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/falcred/falcred/packaging"
	"github.com/falcred/falcred/protocol"
	"github.com/kardianos/service"
)

// systemd is the user's own manager, or the machine's. kardianos installs and uninstalls the
// service's unit of a user; it knows no socket units, no templates, and no XDG_CONFIG_HOME.
type systemd struct{ *Service }

// unit is the service that runs, for systemctl.
func (s systemd) unit() string {
	if s.System {
		return "falcred@" + s.User + ".service"
	}
	return s.name + ".service"
}

func (s systemd) socketUnit() string { return s.name + ".socket" }

// units are stopped in one step: a socket that is left would start the service again.
func (s systemd) units() []string {
	if s.System {
		return []string{s.unit()}
	}
	return []string{s.socketUnit(), s.unit()}
}

// packaged says that the units are those that a package has installed for everybody.
func (s systemd) packaged() bool {
	file := "/usr/lib/systemd/user/falcred.socket"
	if s.System {
		file = "/usr/lib/systemd/system/falcred@.service"
	}
	self, err := stableSelf()
	return exists(file) && err == nil && self == packaging.PackagedExec && s.standard && len(s.Env) == 0
}

// folder is where systemd looks for units of this user, or of the machine's administrator.
func (s systemd) folder() string {
	if s.System {
		return "/etc/systemd/system"
	}
	return filepath.Join(s.configFolder(), "systemd", "user")
}

func (s systemd) install(ctx context.Context) error {
	if s.System {
		return s.installSystem(ctx)
	}
	if exists(ofMachine(s.User)) && s.standard {
		return fmt.Errorf("a service of the machine (falcred@%s) serves you already, and the two would take turns\nif yours is to take its place: sudo falcred service uninstall --system --run-as %s", s.User, shellWord(s.User))
	}
	unit, socket, err := s.files()
	if err != nil {
		return err
	}
	changed := false // the socket
	if s.packaged() {
		s.say("the package's units are used")
		err = s.unlink(unit.path, socket.path) // of an earlier install, which would hide them
	} else if changed, err = s.write(socket); err == nil {
		err = s.place(ctx, unit)
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
		return fmt.Errorf("%s does not run: see %s", s.unit(), s.journal())
	}
	if s.lingers() {
		s.say("%s runs, and starts with the machine", s.unit())
	} else {
		s.say("%s runs, and starts whenever you log in; without a login too, after: loginctl enable-linger", s.unit())
	}
	return nil
}

// place has kardianos install the unit where there is none: it refuses one that exists, which
// is an upgrade.
func (s systemd) place(ctx context.Context, unit written) error {
	if exists(unit.path) || !s.theirFolder() || strings.Contains(unit.text, "{{") {
		_, err := s.write(unit)
		return err
	}
	theirs, err := s.theirUnit(unit.text)
	if err != nil {
		return err
	}
	return s.installed(ctx, unit, theirs)
}

// theirFolder says whether kardianos puts units where they are looked for: it knows HOME alone.
func (s systemd) theirFolder() bool {
	home, err := os.UserHomeDir()
	return err == nil && s.folder() == filepath.Join(home, ".config", "systemd", "user")
}

// theirUnit is kardianos's. Its systemctl finds the user's manager by the environment.
func (s systemd) theirUnit(text string) (service.Service, error) {
	os.Setenv("XDG_RUNTIME_DIR", s.runtimeDir())
	return s.theirs("linux-systemd", s.name, "SystemdScript", text)
}

func (s systemd) files() (unit, socket written, err error) {
	program, err := s.program()
	if err != nil {
		return unit, socket, err
	}
	u := packaging.Unit{Name: s.name, Exec: program, Socket: s.Socket, Env: s.Env}
	if !s.standard {
		u.Home = s.Home
	}
	ofService, ofSocket := packaging.User(u)
	return written{filepath.Join(s.folder(), s.unit()), ofService, 0o644}, written{filepath.Join(s.folder(), s.socketUnit()), ofSocket, 0o644}, nil
}

func (s systemd) uninstall(ctx context.Context) error {
	if s.System {
		return s.uninstallSystem(ctx)
	}
	unit, socket := filepath.Join(s.folder(), s.unit()), filepath.Join(s.folder(), s.socketUnit())
	if !exists(unit) && s.packaged() {
		s.quietly(ctx, "disable", "--quiet", s.socketUnit(), s.unit()) // the links that install has made
		s.say("the package's own units stay, for everybody\nto keep them out for yourself: systemctl --user mask --now falcred.socket falcred.service")
		return nil
	}
	// What is not there needs no stopping. kardianos stops nothing.
	s.quietly(ctx, "disable", "--now", "--quiet", s.socketUnit(), s.unit())
	if exists(unit) && s.theirFolder() {
		theirs, err := s.theirUnit("")
		if err == nil {
			err = bounded(ctx, theirs.Uninstall)
		}
		if err == nil {
			s.say("removed %s", unit)
		} // else what is left goes here
	}
	if err := s.unlink(unit, socket); err != nil {
		return err
	}
	s.quietly(ctx, "reset-failed", s.socketUnit(), s.unit())
	return s.systemctl(ctx, "daemon-reload")
}

func (s systemd) start(ctx context.Context) error {
	return s.systemctl(ctx, append([]string{"start"}, s.units()...)...)
}

func (s systemd) stop(ctx context.Context) error {
	return s.systemctl(ctx, append([]string{"stop"}, s.units()...)...)
}

// restart leaves the socket alone: it holds those who ask meanwhile.
func (s systemd) restart(ctx context.Context) error {
	if err := s.systemctl(ctx, "restart", s.unit()); err != nil {
		return fmt.Errorf("%w\nsee why: %s", err, s.journal())
	}
	return nil
}

func (s systemd) status(ctx context.Context) (int, error) {
	return s.shown(ctx, append([]string{"status", "--no-pager", "--lines=5"}, s.units()...)...)
}

func (s systemd) journal() string {
	if s.System {
		return "journalctl -u " + s.unit()
	}
	return "journalctl --user -u " + s.unit()
}

// lingers says that the user's services go on when he logs out, and start with the machine.
func (s systemd) lingers() bool { return exists(filepath.Join("/var/lib/systemd/linger", s.User)) }

// ofMachine is the link by which the machine serves that user.
func ofMachine(user string) string {
	return filepath.Join("/etc/systemd/system/multi-user.target.wants", "falcred@"+user+".service")
}

// cannotStart begins the last line of a daemon that a mistake of configuration has ended (S11).
const cannotStart = "cannot start: "

func (s systemd) state(ctx context.Context) State {
	return s.read(s.shownProperties(ctx, s.unit()), s.shownProperties(ctx, s.socketUnit()))
}

// begun are the states of a unit that runs, or is about to: after a crash, too, until it is started again.
var begun = map[string]bool{"active": true, "activating": true, "reloading": true}

// read makes a state of what systemctl shows of the service and of its socket.
func (s systemd) read(service, socket map[string]string) State {
	state := State{
		Manager: "systemd", Unit: s.unit(), Outlives: s.System || s.lingers(),
		Running: begun[service["ActiveState"]], OnDemand: !s.System && socket["ActiveState"] == "active",
	}
	// A package's units are there for everybody, on or off; and the manager knows a unit whose
	// file is gone until it reloads.
	on := strings.HasPrefix(service["UnitFileState"], "enabled") || strings.HasPrefix(socket["UnitFileState"], "enabled") ||
		strings.Contains(" active activating failed ", " "+service["ActiveState"]+" ")
	state.Installed = on && service["LoadState"] == "loaded" && exists(service["FragmentPath"])
	if !s.System && s.standard && !state.Running && exists(ofMachine(s.User)) {
		state.Installed = false // its own conditions keep it down
	}
	if service["ActiveState"] == "failed" && service["ExecMainStatus"] == strconv.Itoa(protocol.ExitConfig) {
		state.Misled = "?"
		if why, told := strings.CutPrefix(service["StatusText"], cannotStart); told {
			state.Misled = why
		}
	}
	return state
}
