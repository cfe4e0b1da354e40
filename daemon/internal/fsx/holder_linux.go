package fsx

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/falcred/falcred/protocol/disk"
	"golang.org/x/sys/unix"
)

// overflow is the uid of whoever has none in our user namespace.
const overflow = 65534

// LockHolder is the process that holds a flock(2) on a file, by the kernel's word
// (/proc/locks), 0 where that does not say: one in another pid namespace, or on another
// machine, is not there. known says that uid is its user's.
//
// The file is found there by a lock that we take on it ourselves, of the other kind,
// which does not mind a flock. Its inode number alone can be another file's on another
// file system, and the device beside it is not the one that stat(2) gives on btrfs and
// overlayfs.
func LockHolder(path string) (pid, uid int, known bool) {
	opened, err := disk.OpenFile(path, os.O_RDONLY|Nonblock|NoFollow, 0)
	if err != nil {
		return 0, 0, false
	}
	defer opened.Close()               // and our lock is gone
	file, systems := opened.(*os.File) // of a simulated disk the kernel knows nothing
	if !systems || unix.FcntlFlock(file.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_RDLCK}) != nil {
		return 0, 0, false
	}
	info, err := file.Stat()
	if err != nil {
		return 0, 0, false
	}
	for range 3 { // the table comes in pieces, and leaves out what moves meanwhile as others unlock
		table, err := os.ReadFile("/proc/locks")
		if err != nil {
			return 0, 0, false
		}
		pid = flockOf(table, os.Getpid(), fmt.Sprintf(":%d", info.Sys().(*syscall.Stat_t).Ino))
		if pid != 0 {
			break
		}
	}
	uid, known = userOf(pid)
	return pid, uid, known
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

// userOf is the user of a process, by its status (proc(5)): the owner of its folder there is
// root where it is not dumpable.
func userOf(pid int) (uid int, known bool) {
	if pid == 0 {
		return 0, false
	}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	return userIn(string(data))
}

// userIn is the real user, who has started a process: whoever runs su, which asks for a password
// with the effective user root and holds what it was given meanwhile, is not root.
func userIn(status string) (uid int, known bool) {
	_, after, _ := strings.Cut(status, "\nUid:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0, false
	}
	uid, err := strconv.Atoi(fields[0])
	return uid, err == nil && uid != overflow
}
