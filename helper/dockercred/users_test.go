//go:build (linux || darwin) && system

package dockercred

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAnotherUsersDaemonIsToldNothing_S3(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("CI must run this as root")
		}
		t.Skip("needs root, to be another user")
	}
	h := newHouse(t)
	for _, dir := range []string{h.home, h.record} {
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	foreign := exec.Command(daemonBin, "run")
	foreign.Env = h.env
	foreign.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
	if err := foreign.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { foreign.Process.Kill(); foreign.Wait() }()
	waitFor(t, filepath.Join(h.record, "ready"))

	for _, env := range [][]string{nil, {"FALCRED_SOCKET=" + filepath.Join(h.home, "falcred.sock")}} {
		h := house{h.home, h.record, append(slices.Clone(h.env), env...)}
		if got := h.run(t, "token"); got.code != 1 || got.out != "" || !strings.Contains(got.err, "denied") {
			t.Errorf("%+v", got)
		}
	}
	if asked, err := os.ReadFile(filepath.Join(h.record, "asked")); err == nil {
		t.Errorf("it was sent %s", asked)
	}
	if n := len(h.starts(t)); n != 1 {
		t.Errorf("%d daemons were started besides", n-1)
	}
}

// waitFor polls for a file that another process makes.
func waitFor(t *testing.T, file string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for {
		if _, err := os.Stat(file); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(fmt.Errorf("%s never came", file))
		}
	}
}
