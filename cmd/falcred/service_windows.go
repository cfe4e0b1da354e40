package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"unicode/utf16"

	"github.com/falcred/falcred/packaging"
)

// What follows has been compiled and vetted, and never run on a real Windows.

var errNoWindowsService = errors.New("there is no --system service on Windows yet\nleave --system out: falcred then starts when you log on")

func (s *service) install(ctx context.Context) error {
	if s.system {
		return errNoWindowsService
	}
	self, err := stableSelf()
	if err != nil {
		return err
	}
	text := packaging.TaskXML(packaging.Task{User: s.user.name, Exec: self, Arguments: s.arguments()})
	folder, err := os.MkdirTemp("", "falcred")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, s.name+".xml")
	if err := os.WriteFile(file, wide(text), 0o600); err != nil {
		return err
	}
	if err := s.schtasks(ctx, "/Create", "/F", "/XML", file); err != nil {
		return err
	}
	if err := s.restart(ctx); err != nil {
		return err
	}
	s.say("the task %s runs, and starts whenever you log on", s.name)
	s.closing()
	return nil
}

// arguments: a task has no environment of its own.
func (s *service) arguments() string {
	args := []string{"run"}
	for _, m := range mirrored {
		if value, set := s.env[m.variable]; set {
			args = append(args, "--"+m.flag, `"`+value+`"`)
		}
	}
	return strings.Join(args, " ")
}

// wide is UTF-16 with its mark, as the task scheduler reads XML without an
// encoding of its own.
func wide(text string) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		out = append(out, byte(unit), byte(unit>>8))
	}
	return out
}

func (s *service) uninstall(ctx context.Context) error {
	if s.system {
		return errNoWindowsService
	}
	s.schtasks(ctx, "/End")
	return s.schtasks(ctx, "/Delete", "/F")
}

func (s *service) start(ctx context.Context) error { return s.schtasks(ctx, "/Run") }
func (s *service) stop(ctx context.Context) error  { return s.schtasks(ctx, "/End") }

func (s *service) restart(ctx context.Context) error {
	s.schtasks(ctx, "/End") // it may not run
	return s.schtasks(ctx, "/Run")
}

func (s *service) status(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "schtasks", "/Query", "/TN", s.name, "/V", "/FO", "LIST")
	cmd.Stdout, cmd.Stderr = s.out, s.err
	err := cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exitCode(exit.ExitCode())
	}
	return err
}

func (s *service) schtasks(ctx context.Context, verb string, args ...string) error {
	args = append([]string{verb, "/TN", s.name}, args...)
	if out, err := exec.CommandContext(ctx, "schtasks", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("schtasks %s: %w\n%s", verb, err, strings.TrimSpace(string(out)))
	}
	return nil
}
