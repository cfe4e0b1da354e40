package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/packaging"
	"github.com/kardianos/service"
)

// initd is an init whose services are scripts in /etc/init.d: OpenRC, or SysV's. kardianos does
// each verb. What it leaves out is here: an upgrade of a script that exists, the end of the
// daemon before its script goes, the links of runlevels as the distribution's own tool makes
// and removes them, a limit of time, and what went wrong.
type initd struct {
	*Service
	system, option  string // kardianos's names of it, and of the text that it takes whole
	manager         string // people's
	text            func(packaging.Script) string
	enable, disable []string // the distribution's tool
}

func openRC(s *Service) initd {
	name := scriptOf(s)
	return initd{s, "linux-openrc", "OpenRCScript", "OpenRC", packaging.OpenRC,
		[]string{"rc-update", "add", name}, []string{"rc-update", "--all", "delete", name}}
}

func sysV(s *Service) initd {
	name := scriptOf(s)
	return initd{s, "unix-systemv", "SysvScript", "SysV", packaging.SysV,
		[]string{"update-rc.d", name, "defaults"}, []string{"update-rc.d", "-f", name, "remove"}}
}

// scriptOf is the script's name: each user's login has one of its own.
func scriptOf(s *Service) string { return s.name + "-" + s.User }

func (i initd) path() string { return filepath.Join("/etc/init.d", scriptOf(i.Service)) }

func (i initd) check(context.Context) error {
	if strings.ContainsAny(i.User, "/ {}'\"$\\") {
		return fmt.Errorf("no script of %s can be named after user %q", i.manager, i.User)
	}
	return nil
}

// theirService is what kardianos has, with the text to install, or without. It finds the init's
// tools on PATH, where `su` leaves root none of them.
func (i initd) theirService(text string) (service.Service, error) {
	os.Setenv("PATH", withSbin(os.Getenv("PATH")))
	return i.theirs(i.system, scriptOf(i.Service), i.option, text)
}

func withSbin(path string) string {
	for _, folder := range []string{"/usr/sbin", "/sbin"} {
		if !slices.Contains(filepath.SplitList(path), folder) {
			path = strings.TrimPrefix(path+":"+folder, ":")
		}
	}
	return path
}

func (i initd) install(ctx context.Context) error {
	program, err := i.program()
	if err != nil {
		return err
	}
	script := written{i.path(), i.text(packaging.Script{
		Name: scriptOf(i.Service), User: i.User, Group: i.account.gid, Home: i.account.home, Exec: program,
	}), 0o755}
	theirs, err := i.theirService(script.text)
	if err != nil {
		return err
	}
	if exists(script.path) { // an upgrade, which kardianos refuses
		_, err = i.write(script)
	} else {
		err = i.installed(ctx, script, theirs)
	}
	if err == nil {
		err = i.tool(ctx, i.enable)
	}
	if err == nil {
		err = i.restart(ctx)
	}
	if err == nil {
		err = i.answers(ctx, program)
	}
	if err != nil {
		return err
	}
	i.say("%s runs, and starts with the machine (%s)", scriptOf(i.Service), i.manager)
	return nil
}

// uninstall has the daemon end before its script goes. A script that cannot be run goes, too.
func (i initd) uninstall(ctx context.Context) error {
	if !exists(i.path()) {
		return i.remove(ctx)
	}
	stopErr := i.stop(ctx)
	theirs, err := i.theirService("")
	if err == nil {
		err = bounded(ctx, theirs.Uninstall)
	}
	if err == nil {
		i.say("removed %s", i.path())
	}
	if err := i.remove(ctx); err != nil { // and what kardianos leaves
		return err
	}
	if stopErr != nil {
		return fmt.Errorf("the script is gone, and its daemon may still run: %w", stopErr)
	}
	return nil
}

// remove removes the script and its links, whatever there is of them.
func (i initd) remove(ctx context.Context) error {
	err := i.unlink(i.path())
	i.tool(ctx, i.disable) // there may be none
	return err
}

func (i initd) start(ctx context.Context) error   { return i.told(ctx, service.Service.Start) }
func (i initd) stop(ctx context.Context) error    { return i.told(ctx, service.Service.Stop) }
func (i initd) restart(ctx context.Context) error { return i.told(ctx, service.Service.Restart) }

// told has kardianos do it, and says where to look if it fails: it keeps what the script said.
func (i initd) told(ctx context.Context, do func(service.Service) error) error {
	theirs, err := i.theirService("")
	if err == nil {
		err = bounded(ctx, func() error { return do(theirs) })
	}
	if err != nil {
		return fmt.Errorf("%s: %w\nsee what falcred says in the system's log, and: %s", i.path(), err, strings.Join(i.byHand("status"), " "))
	}
	return nil
}

// byHand is the command of people for a verb.
func (i initd) byHand(verb string) []string {
	if i.system == "linux-openrc" {
		return []string{"rc-service", scriptOf(i.Service), verb}
	}
	return []string{"service", scriptOf(i.Service), verb}
}

// status is what the script prints, and its exit status.
func (i initd) status(ctx context.Context) (code int, err error) {
	line := i.byHand("status")
	cmd := exec.CommandContext(ctx, line[0], line[1:]...) // #nosec G204 -- our own arguments, and no shell
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = i.out, i.err, time.Second
	err = cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

func (i initd) state(ctx context.Context) State {
	state := State{Manager: i.manager, Unit: scriptOf(i.Service), Installed: exists(i.path()), Outlives: true}
	if !state.Installed {
		return state
	}
	theirs, err := i.theirService("")
	state.Running = err == nil && runs(ctx, theirs)
	return state
}

// tool runs the distribution's own. What it says is told where it fails.
func (i initd) tool(ctx context.Context, line []string) error {
	cmd := exec.CommandContext(ctx, line[0], line[1:]...) // #nosec G204 -- our own arguments, and no shell
	cmd.WaitDelay = time.Second
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(line, " "), err, strings.TrimSpace(string(said)))
	}
	return nil
}
