package main

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/falcred/falcred/packaging/service"
)

// Each line has the priority of its level, and no time: the system's log has its own.
func TestSyslogHasPriorities(t *testing.T) {
	var lines []string
	to := func(priority string) func(string) error {
		return func(line string) error {
			lines = append(lines, priority+" "+line)
			return nil
		}
	}
	log := slog.New(newSyslog(service.Log{Info: to("info"), Warning: to("warning"), Err: to("err")}, &slog.HandlerOptions{Level: slog.LevelInfo}))
	log.Debug("no")
	log.Info("started", "level", "mine")
	log.With("home", "/h").WithGroup("g").Warn("odd", "time", 1)
	log.Error("bad")
	want := []string{"info msg=started level=mine\n", "warning msg=odd home=/h g.time=1\n", "err msg=bad\n"}
	if !slices.Equal(lines, want) {
		t.Errorf("%q, want %q", lines, want)
	}
}
