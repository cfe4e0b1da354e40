package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/falcred/falcred/protocol"
)

// The exit codes of falcred. Those of status and whoami say something else: see there.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitEnded   = 3                   // of whoami, as of docker-credential-fal: log in again
	exitConfig  = protocol.ExitConfig // of run
)

// endings are the signals that end falcred in order.
var endings = []os.Signal{os.Interrupt, syscall.SIGTERM}

// usageError is a mistake on the command line.
type usageError struct{ text, hint string }

func (e usageError) Error() string { return e.text + "\n" + e.hint }

// cannotStart is a mistake of the configuration that ends run. For other commands it is an error as any.
type cannotStart struct{ error }

func (c cannotStart) Unwrap() error { return c.error }

// noAnswer is an error of a command whose exit status 1 is an answer.
type noAnswer struct{ error }

func (n noAnswer) Unwrap() error { return n.error }

// exitCode is an error whose text has been printed already, or needs none.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }

// report prints an error, its hint on a line of its own, and picks the exit code.
func report(stderr io.Writer, err error) int {
	var code exitCode
	if err == nil || errors.As(err, &code) {
		return int(code)
	}
	lines := strings.Split(err.Error(), "\n") // of hints, and of a path at most
	for i, line := range lines {
		lines[i] = protocol.Printable(line)
	}
	fmt.Fprintln(stderr, "falcred:", strings.Join(lines, "\n"))
	switch {
	case errors.As(err, new(usageError)):
		return exitUsage
	case errors.As(err, new(cannotStart)):
		return exitConfig
	case errors.As(err, new(noAnswer)):
		return exitError
	}
	return exitFailure
}
