package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/falcred/falcred/packaging"
)

// What follows has been compiled and vetted, and never run on a real macOS.

func (s *service) label() string { return "com.github.falcred." + s.name }

// domain is where launchd keeps the job: the user's login session, or the
// machine. A job of the machine is one per user.
func (s *service) domain() string {
	if s.system {
		return "system"
	}
	return "gui/" + s.user.uid
}

func (s *service) target() string { return s.domain() + "/" + s.job() }

func (s *service) job() string {
	if s.system {
		return s.label() + "." + s.user.name
	}
	return s.label()
}

func (s *service) plistPath() string {
	if s.system {
		return filepath.Join("/Library/LaunchDaemons", s.job()+".plist")
	}
	return filepath.Join(s.user.home, "Library", "LaunchAgents", s.job()+".plist")
}

func (s *service) install(ctx context.Context) error {
	exec, err := stableSelf()
	if err != nil {
		return err
	}
	a := packaging.Agent{Label: s.job(), Exec: exec, Env: s.env, Log: filepath.Join(s.user.home, "Library", "Logs", s.name+".log")}
	if s.system {
		a.User, a.Log = s.user.name, filepath.Join("/Library/Logs", s.job()+".log")
	}
	if _, err := s.write(written{s.plistPath(), packaging.Plist(a)}); err != nil {
		return err
	}
	if err := s.stop(ctx); err != nil { // what runs has read the old file
		return err
	}
	if err := s.launchctl(ctx, "bootstrap", s.domain(), s.plistPath()); err != nil {
		return err
	}
	s.say("%s runs, and starts at every login; its log: %s", s.job(), a.Log)
	s.closing()
	return nil
}

func (s *service) uninstall(ctx context.Context) error {
	if err := s.stop(ctx); err != nil {
		return err
	}
	return s.unlink(s.plistPath())
}

func (s *service) start(ctx context.Context) error {
	if s.loaded(ctx) {
		return s.launchctl(ctx, "kickstart", s.target())
	}
	return s.launchctl(ctx, "bootstrap", s.domain(), s.plistPath())
}

// stop takes the job out until the next login: KeepAlive would bring it back.
func (s *service) stop(ctx context.Context) error {
	if !s.loaded(ctx) {
		return nil
	}
	return s.launchctl(ctx, "bootout", s.target())
}

func (s *service) restart(ctx context.Context) error {
	if !s.loaded(ctx) {
		return s.start(ctx)
	}
	return s.launchctl(ctx, "kickstart", "-k", s.target())
}

func (s *service) status(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "launchctl", "print", s.target())
	cmd.Stdout, cmd.Stderr = s.out, s.err
	err := cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exitCode(exit.ExitCode())
	}
	return err
}

func (s *service) loaded(ctx context.Context) bool {
	return exec.CommandContext(ctx, "launchctl", "print", s.target()).Run() == nil
}

func (s *service) launchctl(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "launchctl", args...)
	cmd.Env = os.Environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("launchctl %s: %w\n%s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
