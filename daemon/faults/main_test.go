//go:build linux && system

package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// falcred is the program under test, plain is it without the race detector.
var falcred, plain string

func TestMain(m *testing.M) {
	testkit.PlayRole(map[string]func() error{"limited": playLimited})
	if code, done := enterNamespace(); done {
		os.Exit(code)
	}
	testkit.Isolate()
	testkit.SideBySide()
	code := testkit.Programs(m, build)
	table.Print(os.Stdout)
	os.Exit(code)
}

// namespaceVariable marks the process that may mount.
const namespaceVariable = "FAULTS_NAMESPACE"

// enterNamespace runs the tests again in a mount namespace of their own, if
// that can be had: whatever they mount is gone with them.
func enterNamespace() (code int, done bool) {
	if os.Getuid() != 0 || os.Getenv(namespaceVariable) != "" {
		return 0, false
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), namespaceVariable+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// syscall makes the mounts private where it unshares.
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 0, false // a container that forbids it: needMounts says so
	}
	err := cmd.Wait()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		fmt.Fprintln(os.Stderr, err)
	}
	return cmd.ProcessState.ExitCode(), true
}

func build(folder string) error {
	plain = filepath.Join(folder, "plain")
	falcred = plain
	if err := testkit.Build("", plain, "../../cmd/falcred"); err != nil || !raceDetector {
		return err
	}
	falcred = filepath.Join(folder, "race")
	return testkit.Build("", falcred, "-race", "../../cmd/falcred")
}
