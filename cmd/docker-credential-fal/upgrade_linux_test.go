package main_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
)

// upgrades is a stage whose falcred is replaced while it runs.
type upgrades struct {
	*stage
	program string // the path that the daemon is started from
	n       int    // how many files have stood there
}

// versions are builds of falcred that look for an upgrade ten times a second.
var versions = sync.OnceValues(func() (paths [2]string, err error) {
	for i := range paths {
		paths[i] = filepath.Join(bin, "upgrades", fmt.Sprint("falcred-", i))
		ldflags := fmt.Sprintf("-X main.release=%s -X main.lookEvery=100ms", version(i))
		if err := testkit.Build("", paths[i], "-ldflags", ldflags, "../falcred"); err != nil {
			return paths, err
		}
	}
	return paths, nil
})

func version(i int) string { return fmt.Sprintf("9.0.%d", i) }

// newUpgrades has a daemon serve that docker-credential-fal has started on demand.
func newUpgrades(t *testing.T, cfg idp.Config) *upgrades {
	t.Helper()
	adopt(t)
	u := &upgrades{stage: newStage(t, cfg)}
	u.bin = testkit.ShortDir(t)
	u.Must(os.Link(filepath.Join(bin, "docker-credential-fal"), filepath.Join(u.bin, "docker-credential-fal")))
	u.program = filepath.Join(u.bin, "falcred")
	u.install()
	refresh, _, _ := u.IDP.Login("ann")
	u.expired(refresh, false)
	t.Cleanup(u.endAll)
	u.helperAsks()
	return u
}

// helperAsks runs docker-credential-fal, which starts a daemon where there is none.
func (u *upgrades) helperAsks() {
	u.Helper()
	if _, err := u.stage.run(u.Sock, protocol.DefaultServer, nil, "get").credential(); err != nil {
		u.Fatal(err)
	}
}

// endAll ends every daemon of the stage: they are this process's children, or become it.
func (u *upgrades) endAll() {
	(&helper.Client{Socket: u.Sock}).End(context.Background())
	if !testkit.Within(testkit.Patience, u.reap) {
		u.Error("a daemon is left")
	}
}

// reap wants those that have ended to have done so in order; a race that the detector has found in
// a daemon shows so too. It says whether none is left.
func (u *upgrades) reap() (none bool) {
	u.Helper()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if pid <= 0 {
			return errors.Is(err, syscall.ECHILD)
		}
		if status.ExitStatus() != 0 && status.Signal() != syscall.SIGKILL {
			u.Errorf("process %d ended with %#x", pid, status)
		}
	}
}

// install puts the next version in the place of the program, by a rename as go install does,
// and returns it.
func (u *upgrades) install() string {
	u.Helper()
	paths, err := versions()
	u.Must(err)
	i := u.n % len(paths)
	u.n++
	u.Must(testkit.Install(paths[i], u.program+".new"))
	u.Must(os.Rename(u.program+".new", u.program))
	return version(i)
}

// script puts a script in the program's place. That of bash can give its name to what it becomes.
func (u *upgrades) script(text string) {
	u.Helper()
	u.Must(os.WriteFile(u.program+".new", []byte("#!/bin/bash\n"+text), 0o755))
	u.Must(os.Rename(u.program+".new", u.program))
}

// serves waits until that version serves, and returns its status.
func (u *upgrades) serves(version string) (s protocol.Status) {
	u.Helper()
	u.Eventually(version+" serves", func() bool {
		var err error
		s, err = u.status(u.Sock)
		return err == nil && s.Version == version
	})
	return s
}

// warned waits for a warning about the upgrade, and returns it.
func (u *upgrades) warned(with string) (warning string) {
	u.Helper()
	u.Eventually("a warning says: "+with, func() bool {
		s, err := u.status(u.Sock)
		if err != nil {
			return false
		}
		for _, warning = range s.Warnings {
			if strings.HasPrefix(warning, "the new falcred does not take over: "+u.program) && strings.Contains(warning, with) {
				return true
			}
		}
		return false
	})
	return warning
}

// S9: a daemon that was started on demand follows an upgrade of its program; the lock and the
// socket stay one daemon's, so that whoever asks who serves is told the new one.
func TestDaemonFollowsAnUpgrade_S9(t *testing.T) {
	u := newUpgrades(t, idp.Config{})
	before := u.serves(version(0))
	socket, err := os.Stat(u.Sock)
	u.Must(err)
	after := u.serves(u.install())
	if after.PID == before.PID || after.State != before.State || after.Expires != before.Expires {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if now, err := os.Stat(u.Sock); err != nil || !os.SameFile(now, socket) {
		t.Errorf("the socket is another one: %v", err)
	}
	u.Eventually("the old one has ended", func() bool {
		syscall.Wait4(before.PID, nil, syscall.WNOHANG, nil)
		return syscall.Kill(before.PID, 0) == syscall.ESRCH
	})
	owner, err := os.ReadFile(u.Sock + ".lock")
	if u.Must(err); !strings.HasPrefix(string(owner), fmt.Sprintln(after.PID)) {
		t.Errorf("the lock's file says %q, and process %d serves", owner, after.PID)
	}
	locks, err := os.ReadFile("/proc/locks")
	if u.Must(err); !strings.Contains(string(locks), fmt.Sprintf("FLOCK  ADVISORY  WRITE %d ", after.PID)) {
		t.Errorf("the kernel does not know the lock of process %d:\n%s", after.PID, locks)
	}
	if second, err := exec.Command(u.program, "run", "--home", u.Home, "--socket", u.Sock).CombinedOutput(); err == nil || !strings.Contains(string(second), fmt.Sprintf("already running (pid %d)", after.PID)) {
		t.Errorf("a second daemon: %v\n%s", err, second)
	}
	if s := u.serves(version(1)); s.PID != after.PID || len(s.Warnings) > 0 {
		t.Errorf("later: %+v", s)
	}
}

// S9: a new program that cannot be used leaves the old one serving, which says why, once for each
// file. What is whole again is followed.
func TestBrokenUpgradeIsNotFollowed_S9(t *testing.T) {
	u := newUpgrades(t, idp.Config{})
	before := u.serves(version(0))
	for _, broken := range []struct{ script, says string }{
		{"echo >>\"$HOME/tried\"; exit 3", "it does not say its version: exit status 3"},
		{"echo '{\"Version\":\"\",\"Protocol\":1}'", "it does not say its version as falcred does"},
		{"case $1 in version) echo '{\"Version\":\"9.9.9\",\"Protocol\":1}' ;; *) exit 3 ;; esac", "it ended at once: exit status 3"},
	} {
		u.script(broken.script)
		u.warned(broken.says)
		if s := u.serves(version(0)); s.PID != before.PID || len(s.Warnings) != 1 {
			t.Errorf("%s: %+v", broken.says, s)
		}
	}
	tried, err := os.ReadFile(filepath.Join(u.Base, "tried"))
	if u.Must(err); len(tried) != 1 {
		t.Errorf("it was tried %d times", len(tried))
	}
	if s := u.serves(u.install()); len(s.Warnings) > 0 {
		t.Errorf("%+v", s)
	}
}
