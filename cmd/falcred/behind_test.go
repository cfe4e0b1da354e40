package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// hung takes nothing until it is let go.
type hung struct {
	slog.Handler
	free chan struct{}
	took *[]string
}

func (h hung) Handle(_ context.Context, r slog.Record) error {
	<-h.free
	*h.took = append(*h.took, r.Message)
	return nil
}

// A log that hangs keeps nobody waiting, and what came meanwhile is written, or counted, when it goes on.
func TestLogHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hung{slog.NewTextHandler(io.Discard, nil), make(chan struct{}), new([]string)}
		b, wait := newBehind(h)
		log := slog.New(b)
		log.Info("0")
		synctest.Wait() // it hangs with that
		for n := range maxBehind + 10 {
			log.Info(fmt.Sprint(n + 1))
		}
		begun := time.Now()
		wait()
		if took := time.Since(begun); took != writtenIn {
			t.Errorf("the end waited for %v", took)
		}
		close(h.free)
		synctest.Wait()
		log.Info("on")
		wait()
		lines := *h.took
		if at := slices.Index(lines, "on"); at < maxBehind || lines[0] != "0" || !slices.ContainsFunc(lines, func(s string) bool {
			return s == "10 lines of the log are left out: the program that reads it is too slow" || s == "9 lines of the log are left out: the program that reads it is too slow"
		}) {
			t.Errorf("%d lines, the last are %q", len(lines), lines[max(0, len(lines)-3):])
		}
	})
}
