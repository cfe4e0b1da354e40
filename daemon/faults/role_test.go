//go:build linux && system

package faults

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/falcred/falcred/daemon/testkit"
	"golang.org/x/sys/unix"
)

// limitsVariable says what a limited process lacks, binaryVariable what it becomes in the
// end.
const limitsVariable, binaryVariable = "FAULTS_LIMITS", "FAULTS_BINARY"

// playLimited does to this process what is asked for, as "name=number name=number",
// and then becomes the daemon: limits and namespaces outlive an exec.
func playLimited() error {
	for _, word := range strings.Fields(os.Getenv(limitsVariable)) {
		name, value, _ := strings.Cut(word, "=")
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return err
		}
		if err := prepare(name, n); err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
	}
	var env []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "FAULTS_") && !strings.HasPrefix(entry, testkit.RoleVariable) {
			env = append(env, entry)
		}
	}
	return syscall.Exec(os.Getenv(binaryVariable), []string{"falcred", "run"}, env)
}

func prepare(name string, n uint64) error {
	limits := map[string]int{"nofile": unix.RLIMIT_NOFILE, "fsize": unix.RLIMIT_FSIZE}
	if which, ok := limits[name]; ok {
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(which, &limit); err != nil {
			return err
		}
		// The soft limit alone, so that a test can raise it again. But of
		// descriptors a Go program takes what the hard limit grants.
		limit.Cur = n
		if name == "nofile" {
			limit.Max = n
		}
		// Not unix's function: this one also forgets what Go would restore at an exec.
		return syscall.Setrlimit(which, &limit)
	}
	switch name {
	case "inotify-instances":
		return os.WriteFile("/proc/sys/user/max_inotify_instances", []byte(strconv.FormatUint(n, 10)), 0)
	case "inotify-watches":
		return os.WriteFile("/proc/sys/user/max_inotify_watches", []byte(strconv.FormatUint(n, 10)), 0)
	}
	return errors.New("no such role")
}
