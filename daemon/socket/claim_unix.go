//go:build linux || darwin

package socket

import (
	"errors"
	"fmt"
	"syscall"
)

// noRoom says that the disk is full.
func noRoom(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

func killCommand(pid int) string { return fmt.Sprintf("kill -9 %d", pid) }

func findCommand(lock string) string { return ": lsof " + lock }
