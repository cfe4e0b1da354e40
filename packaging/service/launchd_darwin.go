package service

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/falcred/falcred/packaging"
	"github.com/kardianos/service"
)

// What follows has been compiled and vetted, and never run on a real macOS.

// launchd keeps a job for each service: a LaunchAgent of the user's login session, or a
// LaunchDaemon of the machine. kardianos does each verb; an upgrade of a plist that exists, and
// a limit of time, are here.
type launchd struct{ *Service }

func (s *Service) manager() (manager, error) { return launchd{s}, nil }

func (l launchd) check(context.Context) error { return nil }

// job is the label. One of the machine is one of each user.
func (l launchd) job() string {
	label := "com.github.falcred." + l.name
	if l.System {
		return label + "." + l.User
	}
	return label
}

func (l launchd) path() string {
	if l.System {
		return filepath.Join("/Library/LaunchDaemons", l.job()+".plist")
	}
	return filepath.Join(l.account.home, "Library", "LaunchAgents", l.job()+".plist")
}

func (l launchd) log() string {
	if l.System {
		return filepath.Join("/Library/Logs", l.job()+".log")
	}
	return filepath.Join(l.account.home, "Library", "Logs", l.name+".log")
}

func (l launchd) theirJob(text string) (service.Service, error) {
	return l.theirs("darwin-launchd", l.job(), "LaunchdConfig", text)
}

func (l launchd) install(ctx context.Context) error {
	program, err := l.program()
	if err != nil {
		return err
	}
	a := packaging.Agent{Label: l.job(), Exec: program, Env: l.Env, Log: l.log()}
	if l.System {
		a.User = l.User
	}
	plist := written{l.path(), packaging.Plist(a), 0o644}
	theirs, err := l.theirJob(plist.text)
	if err != nil {
		return err
	}
	if exists(plist.path) || strings.Contains(plist.text, "{{") { // an upgrade, which kardianos refuses
		_, err = l.write(plist)
	} else {
		err = l.installed(ctx, plist, theirs)
	}
	if err == nil {
		err = l.restart(ctx)
	}
	if err == nil {
		err = l.answers(ctx, program)
	}
	if err != nil {
		return err
	}
	l.say("%s runs, and starts at every login; its log: %s", l.job(), a.Log)
	return nil
}

// uninstall: kardianos's Uninstall stops the job first.
func (l launchd) uninstall(ctx context.Context) error {
	if !exists(l.path()) {
		return nil
	}
	if err := l.do(ctx, service.Service.Uninstall); err != nil {
		return err
	}
	l.say("removed %s", l.path())
	return nil
}

// start loads the job anew: one that is loaded, and has ended, launchd would not load.
func (l launchd) start(ctx context.Context) error {
	if l.state(ctx).Running {
		return nil
	}
	return l.restart(ctx)
}

// stop takes the job out until the next login: KeepAlive would bring it back.
func (l launchd) stop(ctx context.Context) error { return l.do(ctx, service.Service.Stop) }

func (l launchd) restart(ctx context.Context) error {
	l.do(ctx, service.Service.Stop) // it may not be loaded
	return l.do(ctx, service.Service.Start)
}

func (l launchd) do(ctx context.Context, verb func(service.Service) error) error {
	theirs, err := l.theirJob("")
	if err != nil {
		return err
	}
	return bounded(ctx, func() error { return verb(theirs) })
}

func (l launchd) status(ctx context.Context) (int, error) {
	cmd := exec.CommandContext(ctx, "launchctl", "list", l.job())
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = l.out, l.err, time.Second
	err := cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	if err == nil && !l.state(ctx).Running {
		return notRunning, nil
	}
	return 0, err
}

func (l launchd) state(ctx context.Context) State {
	state := State{Manager: "launchd", Unit: l.job(), Installed: exists(l.path()), Outlives: l.System}
	theirs, err := l.theirJob("")
	state.Running = err == nil && runs(ctx, theirs)
	return state
}
