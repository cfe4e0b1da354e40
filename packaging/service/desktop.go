//go:build linux || windows

package service

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
)

// desktop is a session without a service manager: it starts an entry of the user's when he logs
// in, and knows nothing of it afterwards. So the daemon is asked itself. What the entry is, and
// how a process outlives its starter, is each system's.
type desktop struct{ *Service }

func (d desktop) check(context.Context) error { return nil }

func (d desktop) install(ctx context.Context) error {
	if err := d.machines(); err != nil {
		return err
	}
	program, err := d.program()
	if err != nil {
		return err
	}
	if err := d.enter(program); err != nil {
		return err
	}
	if err := d.restart(ctx); err != nil {
		return err
	}
	d.say("%s", d.installed())
	return nil
}

func (d desktop) uninstall(ctx context.Context) error {
	if d.entered() && d.machines() == nil {
		if err := d.stop(ctx); err != nil {
			return err
		}
	}
	return d.leave()
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
	cmd, err := d.spawn(program)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	err = d.await(ctx, ended)
	if err != nil && ctx.Err() != nil {
		letGo(cmd.Process)
	}
	return err
}

// othersStart is how long a daemon may take to answer that a helper has started at the same time:
// ours ends then, since that one has the lock.
const othersStart = 8 * time.Second

// await waits until a daemon answers. ended says how the one that was started has gone.
func (d desktop) await(ctx context.Context, ended <-chan error) error {
	var failed error
	var late <-chan time.Time
	for d.pid(ctx) == 0 {
		select {
		case <-time.After(100 * time.Millisecond):
		case err := <-ended:
			failed = fmt.Errorf("falcred was started and has ended: %w\nsee why: falcred run", err)
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == protocol.ExitConfig {
				return failed // no other could do better
			}
			late = time.After(othersStart)
		case <-late:
			return failed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// sessionOnly leaves out of this shell's environment what the session does not have, for all we
// know: settings of falcred's, and keys.
func sessionOnly(environ []string) []string {
	return slices.DeleteFunc(environ, func(entry string) bool {
		return strings.HasPrefix(strings.ToUpper(entry), "FAL_") || strings.HasPrefix(strings.ToUpper(entry), "FALCRED_")
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
		d.say("falcred runs (pid %d), and %s starts it when you log in to this machine", pid, d.entry())
		return 0, nil
	}
	d.say("falcred does not run; %s starts it when you log in to this machine the next time\nto start it now: %s", d.entry(), d.Line("start"))
	return notRunning, nil
}

func (d desktop) state(ctx context.Context) State {
	there := d.entered()
	return State{Manager: session, Unit: d.unit(), Installed: there, Running: there && d.pid(ctx) != 0}
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
