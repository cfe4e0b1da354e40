package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/helper"
)

// unlink removes what install wrote.
func (s *service) unlink(paths ...string) error {
	for _, path := range paths {
		switch err := os.Remove(path); {
		case err == nil:
			s.say("removed %s", path)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return nil
}

// closing is what a person wants to know after install.
func (s *service) closing() {
	if names := strayed(os.Environ()); len(names) > 0 && !s.system {
		s.say("the service does not see %s of this shell: put it into %s", strings.Join(names, ", "), filepath.Join(s.home, "falcred.env"))
	}
	s.say("to undo it: %s", s.self("uninstall"))
}

// byPID is empty for a daemon that does not say.
func byPID(pid int) string {
	if pid == 0 {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", pid)
}

// clean removes falcred's own files, once nobody uses them.
func (s *service) clean(ctx context.Context) error {
	client := &helper.Client{Socket: s.socket}
	defer client.Close()
	switch status, err := client.Status(ctx); {
	case err == nil:
		return fmt.Errorf("a falcred still serves this home%s, so its files were not removed\nstop it, then: %s", byPID(status.PID), s.self("uninstall --purge"))
	case !errors.Is(err, helper.ErrNotRunning): // it may run all the same
		text, _, _ := strings.Cut(err.Error(), "\n")
		return fmt.Errorf("a falcred may still serve this home, so its files were not removed: %s\nmend that, then: %s", text, s.self("uninstall --purge"))
	}
	files, pending, err := daemon.HomeFiles(s.home)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if pending {
		return fmt.Errorf("a refresh in %s is unfinished, and falcred's files there are needed to save the login\nlet it finish: falcred run; then: %s", s.home, s.self("uninstall --purge"))
	}
	if err := s.unlink(files...); err != nil {
		return err
	}
	s.say("the login in %s is left as it is", s.home)
	return nil
}
