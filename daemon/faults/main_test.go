//go:build linux && system

package faults

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// falcred is the program under test, plain is it without the race detector.
var falcred, plain string

// A role is what the test binary plays instead of running tests.
const roleVariable = "FAULTS_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		fmt.Fprintln(os.Stderr, "role:", play(role)) // returns only if it failed
		os.Exit(1)
	}
	if code, done := enterNamespace(); done {
		os.Exit(code)
	}
	os.Exit(buildAndRun(m))
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

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("/tmp", "ff")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	plain = filepath.Join(dir, "plain")
	falcred = plain
	builds := [][]string{{"build", "-o", plain, "../../cmd/falcred"}}
	if raceDetector {
		falcred = filepath.Join(dir, "race")
		builds = append(builds, []string{"build", "-race", "-o", falcred, "../../cmd/falcred"})
	}
	for _, args := range builds {
		build := exec.Command("go", args...)
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "go build:", err)
			return 1
		}
	}
	// A developer's own settings would be every daemon's.
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "FAL") && name != longVariable {
			os.Unsetenv(name)
		}
	}
	// They wait more than they work.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	printTable(os.Stdout)
	return code
}
