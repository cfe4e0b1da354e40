//go:build unix

package main

import (
	"bufio"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Ctrl-C in the middle leaves neither a home nor a daemon behind.
func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	temporary := t.TempDir()
	cmd := exec.Command(self, "demo")
	cmd.Args[0] = "falcred" // TestMain then runs main
	cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid, interrupted := 0, false
	process := regexp.MustCompile(`runs as process (\d+)`)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if m := process.FindStringSubmatch(lines.Text()); m != nil {
			pid, _ = strconv.Atoi(m[1])
		}
		if strings.Contains(lines.Text(), "... refresh ") && !interrupted { // once: a second one may meet its last steps
			cmd.Process.Signal(os.Interrupt)
			interrupted = true
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != exitFailure {
		t.Errorf("the demo ended with %v", cmd.ProcessState)
	}
	if entries, _ := os.ReadDir(temporary); len(entries) > 0 {
		t.Errorf("it left %s", entries[0].Name())
	}
	if pid == 0 || syscall.Kill(pid, 0) == nil {
		t.Errorf("its daemon, process %d, is still there", pid)
	}
}
