package testkit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// namespaceVariable marks the process that may mount. Isolate leaves it.
const namespaceVariable = "OWN_MOUNTS"

// OwnMounts is for a TestMain. It runs the tests again in a mount namespace of their own, if
// that can be had: whatever they mount is gone with them.
func OwnMounts() (code int, done bool) {
	if os.Getuid() != 0 || MayMount() {
		return 0, false
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), namespaceVariable+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// syscall makes the mounts private where it unshares.
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 0, false // a container that forbids it: who needs mounts asks MayMount
	}
	err := cmd.Wait()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		fmt.Fprintln(os.Stderr, err)
	}
	return cmd.ProcessState.ExitCode(), true
}

// MayMount says whether this process is the one that OwnMounts has started.
func MayMount() bool { return os.Getenv(namespaceVariable) != "" }
