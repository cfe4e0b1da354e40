package socket

import (
	"errors"
	"syscall"

	"github.com/falcred/falcred/protocol/local"
)

// LockHolder names nobody: the system does not say it here.
func LockHolder(string) string { return "another process" }

// runsHere says whether a process that is said to hold a lock can be one of this machine's.
func runsHere(_ string, pid int) bool {
	_, err := local.ProcessUser(pid)
	return !errors.Is(err, syscall.Errno(87)) // ERROR_INVALID_PARAMETER: there is no such process
}

// endHolder ends nobody: a process can be asked by the socket, or be killed.
func endHolder(string, int, int) (pid int, err error) { return 0, nil }
