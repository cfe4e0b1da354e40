package main

import (
	"fmt"
	"io"
	"time"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/falcred/falcred/daemon"
)

// homePatience is how long a file system may take to say what is in the home. One whose
// server is gone never answers, and nothing ends a system call that waits for it.
const homePatience = 10 * time.Second

// inTime does work that may hang with a file system, and leaves it behind then.
func inTime[T any](what string, most time.Duration, work func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := work()
		done <- result{value, err}
	}()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.value, r.err
	case <-timer.C:
		var none T
		return none, errHangs{fmt.Errorf("%s took longer than %s: a file system does not answer\n"+hangHint, what, most)}
	}
}

// errHangs is inTime's error: to ask again would only take as long again.
type errHangs struct{ error }

// look is daemon.Look, in time.
func look() (daemon.Config, error) {
	return inTime("reading the home", homePatience, func() (daemon.Config, error) { return daemon.Look(version()) })
}

// lookWithout is daemon.LookWithout, in time.
func lookWithout() (daemon.Config, error) {
	return inTime("reading the home", homePatience, func() (daemon.Config, error) { return daemon.LookWithout(version()) })
}

// load is daemon.Load, in time.
func load() (daemon.Config, error) {
	return inTime("reading the home", homePatience, func() (daemon.Config, error) { return daemon.Load(version()) })
}

// waiting shows a person, on standard error, what is waited for and how long that takes at
// most.
func waiting[T any](stderr io.Writer, what string, most time.Duration, work func() (T, error)) (T, error) {
	return ui.Patiently(ui.NewConsole(stderr), fmt.Sprintf("%s, for %d s at most", what, int(most.Seconds())), work)
}
