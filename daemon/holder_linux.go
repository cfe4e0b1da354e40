package daemon

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// holder names the process that holds a flock.
func holder(path string) string {
	pid := lockHolder(path)
	if pid <= 0 {
		return "a process that cannot be seen from here"
	}
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return fmt.Sprintf("process %d (%s)", pid, strings.TrimSpace(string(name)))
}

// lockHolder is the process that holds a flock, as /proc/locks has it, or 0: one
// in another pid namespace, or on another machine, is not there.
func lockHolder(path string) (pid int) {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	table, err := os.ReadFile("/proc/locks")
	if !ok || err != nil {
		return 0
	}
	lines := bufio.NewScanner(bytes.NewReader(table))
	for lines.Scan() { // 1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || fields[1] != "FLOCK" || !strings.HasSuffix(fields[5], fmt.Sprintf(":%d", stat.Ino)) {
			continue
		}
		pid, _ = strconv.Atoi(fields[4])
		return pid
	}
	return 0
}

// endHolder asks the process of that number to end, if it is the one that holds
// the lock. The number is pinned before it is judged.
func endHolder(lock string, pid int) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if lockHolder(lock) == pid {
		unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0)
	}
}
