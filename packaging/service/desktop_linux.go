package service

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/packaging"
)

// desktop is a session without a service manager: it starts what lies in a folder when the user
// logs in (XDG autostart), and knows nothing of it afterwards. So the daemon is asked itself.
type desktop struct{ *Service }

func (d desktop) path() string {
	return filepath.Join(d.configFolder(), "autostart", d.name+".desktop")
}

func (d desktop) check(context.Context) error { return nil }

// machines is the script by which the machine serves this user already: the two would end each
// other's daemon.
func (d desktop) machines() error {
	script := filepath.Join("/etc/init.d", scriptOf(d.Service))
	if !d.standard || !exists(script) {
		return nil
	}
	return fmt.Errorf("a service of the machine (%s) serves you already\nif a desktop session is to do so: sudo falcred service uninstall --system --run-as %s", script, shellWord(d.User))
}

func (d desktop) install(ctx context.Context) error {
	if err := d.machines(); err != nil {
		return err
	}
	program, err := d.program()
	if err != nil {
		return err
	}
	entry := packaging.Entry{Exec: program, Env: d.Env}
	if !d.standard {
		entry.Home = d.Home
	}
	if _, err := d.write(written{d.path(), packaging.Autostart(entry), 0o644}); err != nil {
		return err
	}
	if err := d.restart(ctx); err != nil {
		return err
	}
	d.say("falcred runs, and starts with each desktop session: there is no service manager here for users\nfor one that starts with the machine: sudo falcred service install --system --run-as %s", shellWord(d.User))
	return nil
}

func (d desktop) uninstall(ctx context.Context) error {
	if exists(d.path()) && d.machines() == nil {
		if err := d.stop(ctx); err != nil {
			return err
		}
	}
	return d.unlink(d.path())
}

func (d desktop) start(ctx context.Context) error {
	if err := d.machines(); err != nil || d.pid(ctx) != 0 {
		return err
	}
	return d.begin(ctx)
}

func (d desktop) restart(ctx context.Context) error {
	err := d.machines()
	if err == nil {
		err = d.stop(ctx)
	}
	if err == nil {
		err = d.begin(ctx)
	}
	return err
}

// begin starts a daemon as the session does, but for its log, and waits until it serves.
func (d desktop) begin(ctx context.Context) error {
	program, err := d.program()
	if err != nil {
		return err
	}
	cmd := exec.Command(program, "run", "--syslog") // #nosec G204 -- ourselves; it outlives us
	cmd.Env, cmd.Dir = append(sessionOnly(os.Environ()), d.environment()...), "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for d.pid(ctx) == 0 {
		select {
		case <-time.After(100 * time.Millisecond):
		case err := <-ended:
			return fmt.Errorf("falcred was started and has ended: %w\nsee why: falcred run", err)
		case <-ctx.Done():
			cmd.Process.Signal(syscall.SIGTERM)
			return context.Cause(ctx)
		}
	}
	return nil
}

// sessionOnly leaves out of this shell's environment what the session does not have, for all we
// know: settings of falcred's, and keys.
func sessionOnly(environ []string) []string {
	return slices.DeleteFunc(environ, func(entry string) bool {
		return strings.HasPrefix(entry, "FAL_") || strings.HasPrefix(entry, "FALCRED_")
	})
}

func (d desktop) stop(ctx context.Context) error {
	client := &helper.Client{Socket: d.Socket}
	defer client.Close()
	_, err := End(ctx, client)
	return err
}

func (d desktop) status(ctx context.Context) (int, error) {
	if pid := d.pid(ctx); pid != 0 {
		d.say("falcred runs (pid %d), and %s starts it with each desktop session", pid, d.path())
		return 0, nil
	}
	d.say("falcred does not run; %s starts it with the next desktop session\nto start it now: %s", d.path(), d.Line("start"))
	return notRunning, nil
}

func (d desktop) state(ctx context.Context) State {
	there := exists(d.path())
	return State{Manager: "the desktop session", Unit: d.path(), Installed: there, Running: there && d.pid(ctx) != 0}
}

// pid is the daemon's, 0 where none answers.
func (d desktop) pid(ctx context.Context) int {
	client := &helper.Client{Socket: d.Socket}
	defer client.Close()
	status, err := client.Status(ctx)
	if err != nil {
		return 0
	}
	return status.PID
}
