package daemon

import (
	"fmt"

	"github.com/falcred/falcred/protocol/strict"
	"golang.org/x/sys/unix"
)

// Harden keeps the tokens in this process's memory from core dumps, and from debuggers of
// the same user, and its files its own ([strict.OwnerMask]). Call it first in main.
func Harden() error {
	strict.OwnerMask()
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("the memory of falcred cannot be kept from debuggers: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("core dumps cannot be turned off: %w", err)
	}
	return nil
}
