package dockercred

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

// readiness is how long a daemon that was just started may take to answer: a scanner may look
// at all of the program first.
const readiness = 8 * time.Second

// program is the daemon's.
const program = "falcred.exe"

// systemVariables are what any program needs here: the profile, where DLLs lie, and where
// temporary files go.
var systemVariables = []string{"USERPROFILE", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP", "APPDATA", "LOCALAPPDATA"}

// foldVariable: the names have no case here.
func foldVariable(name string) string { return strings.ToUpper(name) }

// executable: no mode says so here, only the name.
func executable(fs.FileInfo) bool { return true }

// startDetached starts a daemon without a console (so no window), outside of our group of
// Ctrl+C and of the job that its starter may be in, which can end with all that is in it. Where
// a job lets nobody out, the daemon lives as long as that, and the next helper starts another.
// It inherits the handles of attr alone (os.StartProcess lists them).
func startDetached(path string, attr *os.ProcAttr) (*os.Process, error) {
	const detachedProcess, breakawayFromJob = 0x8, 0x1000000
	argv := []string{path, "run"}
	attr.Sys = &syscall.SysProcAttr{CreationFlags: detachedProcess | syscall.CREATE_NEW_PROCESS_GROUP | breakawayFromJob}
	p, err := os.StartProcess(path, argv, attr)
	if errors.Is(err, syscall.ERROR_ACCESS_DENIED) {
		attr.Sys.CreationFlags &^= breakawayFromJob
		p, err = os.StartProcess(path, argv, attr)
	}
	return p, err
}

// exposed: a file's ACL comes from its folder here, which is examined.
func exposed(fs.FileInfo) bool { return false }
