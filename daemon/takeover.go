//go:build linux || darwin

package daemon

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gofrs/flock"
)

// takeOverLimit is more than a daemon needs to finish a refresh (R7), and less
// than a service manager waits for a start.
const takeOverLimit = 30 * time.Second

// claimFrom is claim for a service: a daemon that a helper has started on
// demand, or an older service of the same socket, is asked to end, and waited
// for. It finishes its refresh first (S5). A number in a file is no proof of who
// holds the lock: it can be that of the one before, or of another machine's.
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
			endHolder(path+".lock", asked)
		}
		select {
		case <-deadline:
			return nil, fmt.Errorf("%w, and does not end\nend it, then start the service again", err)
		case <-tick.C:
		}
	}
}
