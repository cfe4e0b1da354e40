//go:build linux || darwin

package dockercred

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/disk"
)

func TestADaemonStartedOnDemandIsDetached_Section3(t *testing.T) {
	h := newHouse(t)
	inherited, err := os.Create(filepath.Join(h.record, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer inherited.Close()
	// As `exec 3>lock` in a script: the daemon would hold the lock for ever.
	if got := h.runWith(t, func(cmd *exec.Cmd) { cmd.ExtraFiles = []*os.File{inherited} }, "token"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	s := h.starts(t)[0]
	if s.SID != s.PID {
		t.Errorf("session %d of process %d is not its own", s.SID, s.PID)
	}
	if s.Dir != "/" || !s.HUPIgnore || !slices.Equal(s.Args, []string{daemonBin, "run"}) {
		t.Errorf("folder %s, SIGHUP ignored %t, %q", s.Dir, s.HUPIgnore, s.Args)
	}
	if runtime.GOOS != "linux" {
		return
	}
	for fd, target := range s.Open {
		switch {
		case len(fd) == 1 && fd <= "2":
			if target != "/dev/null" {
				t.Errorf("descriptor %s is %s", fd, target)
			}
		case strings.HasPrefix(target, "anon_inode:"), strings.HasPrefix(target, "/proc/"), strings.HasPrefix(target, "/sys/fs/cgroup/"):
			// its own: the runtime's poller and CPU limits, and the folder it lists
		default:
			t.Errorf("inherited descriptor %s: %s", fd, target)
		}
	}
}

func TestAnothersFolderIsNoPlaceToStartIn_F6(t *testing.T) {
	h := newHouse(t)
	if os.Geteuid() == 0 {
		if err := os.Chown(h.home, 12345, -1); err != nil {
			t.Fatal(err)
		}
	} else {
		h.env = append(h.env, "FALCRED_SOCKET=/falcred-test.sock")
	}
	if got := h.run(t, "token"); got.code != 75 || got.out != "" || len(h.starts(t)) != 0 {
		t.Errorf("%+v, %d starts", got, len(h.starts(t)))
	}
}

// F1, F6: whatever stands in the place of the lock for a start, a daemon is started: it is set
// aside, and one that others could open, and so hold for ever, is made anew. No link is followed.
func TestADamagedStartLock_F6(t *testing.T) {
	for kind, put := range map[string]func(path, victim string) error{
		"a link":          func(p, victim string) error { return os.Symlink(victim, p) },
		"a dangling link": func(p, victim string) error { return os.Symlink(victim+".none", p) },
		"a FIFO":          func(p, _ string) error { return syscall.Mkfifo(p, 0o600) },
		"a folder":        func(p, _ string) error { return os.MkdirAll(filepath.Join(p, "x"), 0o700) },
		"of mode 000":     func(p, _ string) error { return os.WriteFile(p, nil, 0) },
		"held by others":  func(p, _ string) error { return os.WriteFile(p, nil, 0o644) },
	} {
		t.Run(kind, func(t *testing.T) {
			h := newHouse(t)
			victim, path := filepath.Join(h.record, "victim"), filepath.Join(h.home, "falcred.sock.start")
			if err := errors.Join(os.WriteFile(victim, []byte("theirs"), 0o600), put(path, victim)); err != nil {
				t.Fatal(err)
			}
			if kind == "held by others" {
				theirs, err := os.Open(path)
				if err == nil {
					err = disk.TryLock(theirs)
				}
				if err != nil {
					t.Fatal(err)
				}
				defer theirs.Close()
			}
			h.env = append(h.env, "XDG_RUNTIME_DIR=")
			if got := h.run(t, "token"); got.code != 0 || len(h.starts(t)) != 1 {
				t.Errorf("%+v", got)
			}
			if data, _ := os.ReadFile(victim); string(data) != "theirs" {
				t.Errorf("the link was followed: %q", data)
			}
		})
	}
}

// F6: no daemon is started for a home that others could swap, and a program that
// everybody could replace is none.
func TestNothingIsStartedWhereOthersCanWrite_F6(t *testing.T) {
	above := testkit.ShortDir(t)
	h := newHouse(t)
	home := filepath.Join(above, "home")
	if err := errors.Join(os.Rename(h.home, home), os.Chmod(above, 0o777)); err != nil {
		t.Fatal(err)
	}
	h.env = append(h.env, "FAL_HOME_DIR="+home)
	if got := h.run(t, "token"); got.code != 75 || !strings.Contains(got.err, above+" can be written by others") || !strings.Contains(got.err, "chmod go-w "+above) {
		t.Errorf("%+v", got)
	}
	if entries, err := os.ReadDir(home); err != nil || len(entries) != 1 || len(h.starts(t)) != 0 {
		t.Errorf("in the home: %v, %v; %d starts", entries, err, len(h.starts(t)))
	}

	programs := testkit.ShortDir(t)
	for _, mode := range []os.FileMode{0o777, 0o755} {
		copied, err := os.ReadFile(daemonBin)
		program := filepath.Join(programs, "falcred")
		if err := errors.Join(err, os.WriteFile(program, copied, 0o700), os.Chmod(programs, mode)); err != nil {
			t.Fatal(err)
		}
		found, err := findDaemon("/nowhere:" + programs)
		if mode == 0o755 && found != program || mode == 0o777 && (err == nil || !strings.Contains(err.Error(), program+" was not started")) {
			t.Errorf("in a folder of mode %o: %q, %v", mode, found, err)
		}
	}
}
