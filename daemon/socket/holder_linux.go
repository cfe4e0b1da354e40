package socket

import (
	"fmt"
	"os"
	"strings"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"golang.org/x/sys/unix"
)

// LockHolder names, for a person, the process that holds a flock(2) on a file: its
// number, its name and, where it is another's, its user; or the command that finds it where
// the kernel does not say.
func LockHolder(path string) string {
	pid, uid, known := fsx.LockHolder(path)
	if pid == 0 {
		return "another process: lsof " + path
	}
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	text := fmt.Sprintf("process %d (%s)", pid, strings.TrimSpace(string(name)))
	if known && uid != os.Geteuid() {
		text += fmt.Sprintf(" of user %d", uid)
	}
	return text
}

// runsHere says whether a process that is said to hold a lock can be one of this machine's,
// and of this container's: the kernel knows the holders of both. Of a lock on FUSE it knows
// the program behind that.
func runsHere(lock string, pid int) bool {
	holder, _, _ := fsx.LockHolder(lock)
	switch {
	case holder == pid:
		return true
	case holder == 0:
		_, err := os.Stat("/proc/locks")
		return err != nil // and nothing is known
	}
	return unix.Kill(pid, 0) != unix.ESRCH
}

// endHolder sends SIGTERM to the process that holds the lock, unless that is not to be
// signalled. It returns that process, or 0 where none was signalled. Who serves on the
// socket is of no interest: systemd may have made that, and whoever holds the lock that we
// want is what the kernel says exactly.
func endHolder(lock string, _, not int) (pid int, err error) {
	pid, _, _ = fsx.LockHolder(lock)
	if pid == 0 || pid == not {
		return 0, nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0, nil // it is gone
	}
	defer unix.Close(fd)
	if again, _, _ := fsx.LockHolder(lock); again != pid { // the number is pinned by now, and was not before
		return 0, nil
	}
	return pid, unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0)
}
