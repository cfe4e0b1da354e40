package main

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/kardianos/service"
)

// systemLog keeps what is sent to it, with its priority.
type systemLog struct {
	service.Logger // the rest is not used
	lines          []string
}

func (l *systemLog) add(priority string, v []any) error {
	l.lines = append(l.lines, priority+" "+fmt.Sprint(v...))
	return nil
}

func (l *systemLog) Info(v ...any) error    { return l.add("info", v) }
func (l *systemLog) Warning(v ...any) error { return l.add("warning", v) }
func (l *systemLog) Error(v ...any) error   { return l.add("err", v) }

// Each line has the priority of its level, and no time: the system's log has its own.
func TestSyslogHasPriorities(t *testing.T) {
	system := &systemLog{}
	log := slog.New(newSyslog(system, &slog.HandlerOptions{Level: slog.LevelInfo}))
	log.Debug("no")
	log.Info("started", "level", "mine")
	log.With("home", "/h").WithGroup("g").Warn("odd", "time", 1)
	log.Error("bad")
	want := []string{"info msg=started level=mine\n", "warning msg=odd home=/h g.time=1\n", "err msg=bad\n"}
	if !slices.Equal(system.lines, want) {
		t.Errorf("%q, want %q", system.lines, want)
	}
}
