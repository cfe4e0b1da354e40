package service

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/falcred/falcred/packaging"
)

// The entry of a Linux session is a file of XDG autostart.

func (d desktop) entry() string {
	return filepath.Join(d.configFolder(), "autostart", d.name+".desktop")
}

// session is the manager's name, to people, and unit the entry's.
const session = "the desktop session"

func (d desktop) unit() string { return d.entry() }

func (d desktop) entered() bool { return exists(d.entry()) }

func (d desktop) enter(program string) error {
	entry := packaging.Entry{Exec: program, Env: d.Env}
	if !d.standard {
		entry.Home = d.Home
	}
	_, err := d.write(written{d.entry(), packaging.Autostart(entry), 0o644})
	return err
}

func (d desktop) leave() error { return d.unlink(d.entry()) }

func (d desktop) installed() string {
	const runs = "falcred runs, and starts with each desktop session: this machine has no systemd for users"
	if !d.standard { // a service of the machine serves ~/.fal alone
		return runs
	}
	return runs + "\non a server, or to have it start with the machine: sudo falcred service install --system --run-as " + shellWord(d.User)
}

// machines is the script by which the machine serves this user already: the two would end each
// other's daemon.
func (d desktop) machines() error {
	script := filepath.Join("/etc/init.d", scriptOf(d.Service))
	if !d.standard || !exists(script) {
		return nil
	}
	return fmt.Errorf("a service of the machine (%s) serves you already\nif a desktop session is to do so: sudo falcred service uninstall --system --run-as %s", script, shellWord(d.User))
}

// letGo has a daemon end that was started and does not answer.
func letGo(daemon *os.Process) { daemon.Signal(syscall.SIGTERM) }

// spawn starts a daemon that outlives us.
func (d desktop) spawn(program string) (*exec.Cmd, error) {
	cmd := exec.Command(program, "run", "--syslog") // #nosec G204 -- ourselves
	cmd.Env, cmd.Dir = append(sessionOnly(os.Environ()), d.environment()...), "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, cmd.Start()
}
