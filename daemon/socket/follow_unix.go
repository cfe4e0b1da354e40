//go:build linux || darwin

package socket

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
)

// ClaimFollow makes this process the only `falcred follow` of a home, until the
// result is closed: path, with ".lock" at its end, is the lock's file, and the name
// before that only tells it from the daemon's.
func ClaimFollow(path string) (io.Closer, error) {
	lock, err := claim(path)
	var other runningError
	switch {
	case errors.As(err, &other):
		return nil, fmt.Errorf("another falcred follow (pid %d%s) keeps %s", other.pid, other.there(), filepath.Dir(path))
	case err != nil:
		return nil, err
	}
	return lock, nil
}

func (e runningError) there() string {
	if e.away == "" {
		return ""
	}
	return ", " + e.away
}
