package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/packaging/service"
)

// byPID is empty for a daemon that does not say.
func byPID(pid int) string {
	if pid == 0 {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", pid)
}

// purge removes falcred's own files, once nobody uses them.
func purge(ctx context.Context, s *service.Service, out io.Writer) error {
	client := &helper.Client{Socket: s.Socket}
	defer client.Close()
	switch status, err := client.Status(ctx); {
	case err == nil:
		return fmt.Errorf("a falcred still serves this home%s, so its files were not removed\nstop it, then: %s", byPID(status.PID), s.Line("uninstall --purge"))
	case !errors.Is(err, helper.ErrNotRunning): // it may run all the same
		text, _, _ := strings.Cut(err.Error(), "\n")
		return fmt.Errorf("a falcred may still serve this home, so its files were not removed: %s\ncorrect that, then: %s", text, s.Line("uninstall --purge"))
	}
	files, pending, err := daemon.HomeFiles(s.Home)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if pending {
		return fmt.Errorf("a refresh in %s is unfinished, and falcred's files there are needed to save the login\nlet it finish: falcred run; then: %s", s.Home, s.Line("uninstall --purge"))
	}
	for _, path := range files {
		switch err := os.Remove(path); {
		case err == nil:
			fmt.Fprintf(out, "removed %s\n", path)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	fmt.Fprintf(out, "the login in %s is left as it is\n", s.Home)
	return nil
}
