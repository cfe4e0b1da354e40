//go:build unix

package dockercred

import (
	"io/fs"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// readiness is how long a daemon that was just started may take to answer. It needs no network for
// that (R11), and is there within a tenth of a second; the rest is for a machine that is busy, or has
// just woken.
const readiness = 5 * time.Second

// program is the daemon's.
const program = "falcred"

// systemVariables are what any program needs here.
var systemVariables = []string{"HOME"}

func foldVariable(name string) string { return name }

func executable(info fs.FileInfo) bool { return info.Mode()&0o111 != 0 }

// startDetached starts a daemon in a session of its own.
func startDetached(path string, attr *os.ProcAttr) (*os.Process, error) {
	closeOnExec()
	signal.Ignore(syscall.SIGHUP) // stays ignored over exec
	attr.Sys = &syscall.SysProcAttr{Setsid: true}
	return os.StartProcess(path, []string{path, "run"}, attr)
}

// closeOnExec marks every descriptor that this program was itself given. Go
// marks its own, but a script's `exec 9>lock` would be held by the daemon for
// ever, and the lock with it.
func closeOnExec() {
	if entries, err := os.ReadDir("/dev/fd"); err == nil {
		for _, e := range entries {
			if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
				syscall.CloseOnExec(fd)
			}
		}
		return
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		limit.Cur = 1 << 16
	}
	for fd := range int(min(limit.Cur, 1<<16)) {
		if fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

// exposed says whether others can open a lock's file, and so hold it for ever.
func exposed(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return info.Mode().IsRegular() && (info.Mode().Perm()&0o077 != 0 || ok && stat.Nlink > 1)
}
