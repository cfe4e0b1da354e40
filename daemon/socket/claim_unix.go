//go:build linux || darwin

package socket

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/protocol/strict"
)

// claim takes the lock beside the socket and writes our pid into it, so that a
// second daemon can say who runs (S1).
func claim(path string) (*fsx.Lock, error) {
	name := path + ".lock"
	lock, err := fsx.TryLockPath(name)
	if err == nil && lock == nil { // nobody else may keep us from serving
		lock, err = fsx.TakeLock(name, 0)
	}
	switch {
	case err != nil:
		return nil, err
	case lock == nil:
		return nil, alreadyRunning(path)
	}
	if err := writePID(name, lock); err != nil {
		lock.Close()
		return nil, err
	}
	return lock, nil
}

// ClaimFollow makes this process the only `falcred follow` of a home, until the
// result is closed: path, with ".lock" at its end, is the lock's file, and the name
// before that only tells it from the daemon's.
func ClaimFollow(path string) (io.Closer, error) {
	lock, err := claim(path)
	var other runningError
	switch {
	case errors.As(err, &other):
		return nil, fmt.Errorf("another falcred follow (pid %d) keeps %s", other.pid, filepath.Dir(path))
	case err != nil:
		return nil, err
	}
	return lock, nil
}

// writePID writes into the file that is locked, and no other that has its name by
// now: flock does not give its own descriptor away.
func writePID(name string, lock *fsx.Lock) error {
	locked, err := lock.Stat()
	if err != nil {
		return err
	}
	file, err := strict.Open(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if named, err := file.Stat(); err != nil || !os.SameFile(named, locked) {
		return fmt.Errorf("%s was replaced while it was being locked\ntry again", name)
	}
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err = file.WriteString(strconv.Itoa(os.Getpid()) + "\n")
	return err
}

// runningError is that another daemon holds the lock.
type runningError struct {
	path string
	pid  int // 0 where it is not known
}

func (e runningError) Error() string {
	if e.pid > 0 {
		return fmt.Sprintf("falcred is already running (pid %d) on %s", e.pid, e.path)
	}
	return "falcred is already running on " + e.path
}

// endIt is for a person.
func (e runningError) endIt() string {
	if e.pid > 0 {
		return fmt.Sprintf("end it: kill -9 %d", e.pid)
	}
	return "find its process, and end it: lsof " + e.path + ".lock"
}

// alreadyRunning says who holds the lock. The holder may not have written its
// pid yet; then the path has to do.
func alreadyRunning(path string) error {
	data, _ := fsx.Read(path+".lock", fsx.MaxSmall)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(data)))
	return runningError{path, max(0, pid)}
}
