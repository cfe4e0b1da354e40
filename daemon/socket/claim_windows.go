package socket

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/protocol/strict"
)

// ownerAt is where the owner's lines begin in a lock file. Its first byte is what is locked,
// and nobody else can read or write that.
const ownerAt = 1

// readOwner is those lines, as many as can be read.
func readOwner(lock string) string {
	file, err := strict.Open(lock, os.O_RDONLY, 0)
	if err != nil {
		return ""
	}
	defer file.Close()
	data, _ := io.ReadAll(io.NewSectionReader(file, ownerAt, fsx.MaxSmall))
	return string(data)
}

// noRoom says that the disk is full.
func noRoom(err error) bool {
	const handleDiskFull, diskFull = syscall.Errno(39), syscall.Errno(112)
	return errors.Is(err, handleDiskFull) || errors.Is(err, diskFull)
}

func killCommand(pid int) string { return fmt.Sprintf("taskkill /f /pid %d", pid) }

// findCommand has none: the system does not say who holds a lock.
func findCommand(string) string { return "" }
