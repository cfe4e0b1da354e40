package daemon

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// holder names the process that holds a flock, as /proc/locks has it.
func holder(path string) string {
	const unknown = "a process that cannot be seen from here"
	info, err := os.Stat(path)
	if err != nil {
		return unknown
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	table, err := os.ReadFile("/proc/locks")
	if !ok || err != nil {
		return unknown
	}
	lines := bufio.NewScanner(bytes.NewReader(table))
	for lines.Scan() { // 1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || fields[1] != "FLOCK" || !strings.HasSuffix(fields[5], fmt.Sprintf(":%d", stat.Ino)) {
			continue
		}
		name, _ := os.ReadFile("/proc/" + fields[4] + "/comm")
		return fmt.Sprintf("process %s (%s)", fields[4], strings.TrimSpace(string(name)))
	}
	return unknown
}
