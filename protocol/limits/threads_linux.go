package limits

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// rlimitNPROC is RLIMIT_NPROC, which package syscall does not name. MIPS numbers it
// otherwise, and then it is not asked for.
const rlimitNPROC = 6

// moreThreads is how many more this process can start, and which limit says so. The
// kernel counts threads as processes, against a user's limit (setrlimit(2)), from which root is
// exempt, and against that of each cgroup on the way up.
func moreThreads() (left int, by, hint string) {
	left = math.MaxInt
	for _, group := range pidsGroups() {
		limit, err := strconv.Atoi(firstLine(filepath.Join(group, "pids.max"))) // "max" is none
		now, errNow := strconv.Atoi(firstLine(filepath.Join(group, "pids.current")))
		if err == nil && errNow == nil && limit-now < left {
			left, by = limit-now, fmt.Sprintf("%s/pids.max is %d", group, limit)
			hint = "end other processes there, or raise it: --pids-limit of a container, TasksMax= of a unit"
		}
	}
	if most, ok := processLimit(); ok {
		if now := threadsOf(os.Getuid()); most-now < left {
			left, by = most-now, fmt.Sprintf("ulimit -u is %d", most)
			hint = "end other processes of this user, or raise the limit: ulimit -u, or nproc in /etc/security/limits.conf"
		}
	}
	return left, by, hint
}

// processLimit is RLIMIT_NPROC, where it holds us and is so low that it may matter: on a
// usual machine nothing has to be counted.
func processLimit() (most int, ok bool) {
	const high = 8192
	var limit syscall.Rlimit
	if strings.HasPrefix(runtime.GOARCH, "mips") || os.Getuid() == 0 || syscall.Getrlimit(rlimitNPROC, &limit) != nil || uint64(limit.Cur) > high { // #nosec G115 -- "infinity" is large
		return 0, false
	}
	return int(limit.Cur), true // #nosec G115 -- at most high
}

// threadsOf counts a user's threads, as far as /proc shows them.
func threadsOf(uid int) (count int) {
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		info, err := os.Stat(process)
		if err != nil {
			continue
		}
		// A process that makes no core, as falcred, has root's folder: its status says whose it is.
		if stat, ok := info.Sys().(*syscall.Stat_t); !ok || stat.Uid != 0 && int(stat.Uid) != uid {
			continue
		}
		status, _ := os.ReadFile(filepath.Join(process, "status")) // #nosec G304 -- under /proc
		var owner, threads int
		for line := range bytes.Lines(status) {
			if rest, ok := bytes.CutPrefix(line, []byte("Uid:")); ok {
				fmt.Sscan(string(rest), &owner)
			}
			if rest, ok := bytes.CutPrefix(line, []byte("Threads:")); ok {
				fmt.Sscan(string(rest), &threads)
			}
		}
		if owner == uid {
			count += threads
		}
	}
	return count
}

// pidsGroups are the folders of the cgroups that count us, from our own up (cgroups(7)). In a
// container the first may be above what is mounted; then there is no such folder.
func pidsGroups() (folders []string) {
	table, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(table)) {
		id, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, path, _ := strings.Cut(rest, ":")
		root := "/sys/fs/cgroup"
		switch {
		case controllers == "pids":
			root += "/pids"
		case id != "0":
			continue
		}
		for {
			folders = append(folders, filepath.Join(root, path))
			if path == "/" || path == "." || path == "" {
				break
			}
			path = filepath.Dir(path)
		}
	}
	return folders
}

func firstLine(path string) string {
	data, _ := os.ReadFile(path) // #nosec G304 -- under /sys/fs/cgroup
	line, _, _ := strings.Cut(string(data), "\n")
	return line
}
