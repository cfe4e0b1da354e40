package daemon

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Harden holds S4: no core dump and no debugger of the same user sees the
// tokens in memory. It comes first in main.
func Harden() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("the process cannot be made undumpable: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("core dumps cannot be turned off: %w", err)
	}
	return nil
}
