//go:build linux || darwin

package daemon

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

// takeOverLimit is more than a daemon needs to finish a refresh (R7), and less
// than a service manager waits for a start.
const takeOverLimit = 30 * time.Second

// claimFrom is claim for a service: a daemon that a helper has started on
// demand, or an older service of the same socket, is asked to end, and waited
// for. It finishes its refresh first (S5). Between taking the lock and writing
// its pid a daemon leaves that of the one before it there: for these
// microseconds a stranger of the same user and number would be asked instead.
func claimFrom(path string) (*flock.Flock, error) {
	deadline := time.After(takeOverLimit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for asked := os.Getpid(); ; {
		lock, err := claim(path)
		var other runningError
		if !errors.As(err, &other) {
			return lock, err
		}
		// Again for another pid: a helper may start one meanwhile.
		if other.pid > 1 && other.pid != asked {
			asked = other.pid
			unix.Kill(asked, unix.SIGTERM)
		}
		select {
		case <-deadline:
			return nil, fmt.Errorf("%w, and does not end\nend it, then start the service again", err)
		case <-tick.C:
		}
	}
}
