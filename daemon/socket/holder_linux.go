package socket

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"golang.org/x/sys/unix"
)

// LockHolder names, for a person, the process that holds a flock(2) on a file: its
// number and its name, or the command that finds it where the kernel does not say.
func LockHolder(path string) string {
	pid := lockHolder(path)
	if pid == 0 {
		return "another process: lsof " + path
	}
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return fmt.Sprintf("process %d (%s)", pid, strings.TrimSpace(string(name)))
}

// lockHolder is the process that holds a flock, by the kernel's word (/proc/locks), or
// 0: one in another pid namespace, or on another machine, is not there.
//
// The file is found there by a lock that we take on it ourselves, of the other kind,
// which does not mind a flock. Its inode number alone can be another file's on another
// file system, and the device beside it is not the one that stat(2) gives on btrfs and
// overlayfs.
func lockHolder(path string) (pid int) {
	file, err := os.OpenFile(path, os.O_RDONLY|fsx.Nonblock|fsx.NoFollow, 0)
	if err != nil {
		return 0
	}
	defer file.Close() // and our lock is gone
	if unix.FcntlFlock(file.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_RDLCK}) != nil {
		return 0
	}
	info, err := file.Stat()
	table, tableErr := os.ReadFile("/proc/locks")
	if err != nil || tableErr != nil {
		return 0
	}
	return flockOf(table, os.Getpid(), fmt.Sprintf(":%d", info.Sys().(*syscall.Stat_t).Ino))
}

// runsHere says whether a process that is said to hold a lock can be one of this machine's,
// and of this container's: the kernel knows the holders of both. Of a lock on FUSE it knows
// the program behind that.
func runsHere(lock string, pid int) bool {
	switch holder := lockHolder(lock); {
	case holder == pid:
		return true
	case holder == 0:
		_, err := os.Stat("/proc/locks")
		return err != nil // and nothing is known
	}
	return unix.Kill(pid, 0) != unix.ESRCH
}

// flockOf finds in /proc/locks the flock on the file that own has a record lock on.
// Its lines are
//
//	1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF
func flockOf(table []byte, own int, inode string) (pid int) {
	var file string
	holders := map[string]int{} // by device and inode
	for line := range bytes.Lines(table) {
		fields := strings.Fields(string(line))
		if len(fields) < 6 || !strings.HasSuffix(fields[5], inode) {
			continue
		}
		pid, err := strconv.Atoi(fields[4])
		switch {
		case err != nil || pid <= 0:
		case fields[1] == "POSIX" && pid == own:
			file = fields[5]
		case fields[1] == "FLOCK":
			holders[fields[5]] = pid
		}
	}
	return holders[file]
}

// endHolder sends SIGTERM to the process that holds the lock, unless that is not to be
// signalled. It returns that process, or 0 where none was signalled. Who serves on the
// socket is of no interest: systemd may have made that, and whoever holds the lock that we
// want is what the kernel says exactly.
func endHolder(lock string, _, not int) (pid int, err error) {
	pid = lockHolder(lock)
	if pid == 0 || pid == not {
		return 0, nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0, nil // it is gone
	}
	defer unix.Close(fd)
	if lockHolder(lock) != pid { // the number is pinned by now, and was not before
		return 0, nil
	}
	return pid, unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0)
}
