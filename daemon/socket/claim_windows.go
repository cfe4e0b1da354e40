package socket

import (
	"errors"
	"fmt"
	"syscall"
)

// noRoom says that the disk is full.
func noRoom(err error) bool {
	const handleDiskFull, diskFull = syscall.Errno(39), syscall.Errno(112)
	return errors.Is(err, handleDiskFull) || errors.Is(err, diskFull)
}

func killCommand(pid int) string { return fmt.Sprintf("taskkill /f /pid %d", pid) }

// findCommand has none: the system does not say who holds a lock.
func findCommand(string) string { return "" }
