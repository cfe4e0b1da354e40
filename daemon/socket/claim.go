//go:build linux || darwin || windows

package socket

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/strict"
)

// settling is how long a daemon is waited for that holds the lock and does not listen: it ends, or
// was killed, and gives its lock back after its socket; or it is about to listen.
const settling = time.Second

// claim waits for such a one: a client that found nobody at the socket has had us started, and would
// be told that a daemon runs which is no more.
func claim(path string) (*fsx.Lock, error) {
	ctx, cancel := context.WithTimeout(context.Background(), settling)
	defer cancel()
	for {
		lock, err := claimNow(path)
		if !errors.As(err, new(runningError)) || listens(ctx, path) {
			return lock, err
		}
		select {
		case <-time.After(retryClaim):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// listens reports whether anybody takes connections there.
func listens(ctx context.Context, path string) bool {
	conn, err := dial(ctx, path)
	if err == nil {
		conn.Close()
	}
	return err == nil || errors.Is(err, syscall.EAGAIN) // its queue is full
}

// claimNow takes the lock beside the socket and writes into it who we are, so that a second
// daemon can say who runs (S1). The lock is what counts: on a full disk it names nobody.
func claimNow(path string) (*fsx.Lock, error) {
	name := path + ".lock"
	lock, err := fsx.TryLockPath(name)
	if err == nil && lock == nil { // nobody else may keep us from serving
		lock, err = fsx.TakeLock(name, 0)
	}
	switch {
	case err != nil:
		return nil, err
	case lock == nil:
		return nil, lockOwner(path)
	}
	if err := writeOwner(name, lock); err != nil && !noRoom(err) {
		lock.Close()
		return nil, err
	}
	return lock, nil
}

func noRoom(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// writeOwner writes our number, and this machine's name on a second line, into the file that
// is locked, and no other that has its name by now: flock does not give its own descriptor
// away.
func writeOwner(name string, lock *fsx.Lock) error {
	locked, err := lock.Stat()
	if err != nil {
		return err
	}
	file, err := strict.Open(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if named, err := file.Stat(); err != nil || !disk.SameFile(named, locked) {
		return fmt.Errorf("%s was replaced while it was being locked\ntry again", name)
	}
	if err := file.Truncate(0); err != nil {
		return err
	}
	host, _ := os.Hostname()
	_, err = fmt.Fprintf(file, "%d\n%s\n", os.Getpid(), host)
	return err
}

// runningError is that another daemon holds the lock.
type runningError struct {
	path string
	pid  int    // 0 where it is not known
	away string // where else it runs: on another machine; "" for here
}

func (e runningError) Error() string {
	if e.away != "" {
		return fmt.Sprintf("falcred is already running %s (pid %d there) on %s", e.away, e.pid, e.path)
	}
	if e.pid > 0 {
		return fmt.Sprintf("falcred is already running (pid %d) on %s", e.pid, e.path)
	}
	return "falcred is already running on " + e.path
}

// endIt is for a person.
func (e runningError) endIt() string {
	if e.away != "" {
		return "end it there, or set XDG_RUNTIME_DIR here: each machine serves from a folder of its own"
	}
	if e.pid > 0 {
		return "end it: " + killCommand(e.pid)
	}
	return "find its process, and end it" + findCommand(e.path+".lock")
}

// lockOwner says who holds the lock. The holder may not have written its pid yet; then the path has
// to do.
func lockOwner(path string) runningError {
	data, _ := fsx.Read(path+".lock", fsx.MaxSmall)
	first, rest, _ := strings.Cut(string(data), "\n")
	owner := runningError{path: path}
	if pid, err := strconv.Atoi(strings.TrimSpace(first)); err == nil && pid > 0 {
		owner.pid = pid
		owner.away = elsewhere(path, pid, strings.TrimSpace(rest))
	}
	return owner
}

// elsewhere is where a process runs that is not here: a network file system has the locks of
// other machines too, and a folder can be mounted into several containers. Before machines
// had their names in the file, a number was all that there was.
func elsewhere(path string, pid int, host string) string {
	if here, err := os.Hostname(); err == nil && host != "" && host != here {
		return "on the machine " + strconv.QuoteToASCII(host)
	}
	if !runsHere(path+".lock", pid) {
		return "on another machine, or in another container"
	}
	return ""
}
