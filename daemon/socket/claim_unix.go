//go:build linux || darwin

package socket

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/falcred/falcred/daemon/internal/fsx"
)

// ownerAt is where the owner's lines begin in a lock file.
const ownerAt = 0

// readOwner is those lines, as many as can be read.
func readOwner(lock string) string {
	data, _ := fsx.Read(lock, fsx.MaxSmall)
	return string(data)
}

// noRoom says that the disk is full.
func noRoom(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

func killCommand(pid int) string { return fmt.Sprintf("kill -9 %d", pid) }

func findCommand(lock string) string { return ": lsof " + lock }
