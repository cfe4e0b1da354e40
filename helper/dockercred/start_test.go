//go:build linux || darwin

package dockercred

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/disk"
)

// started is what the stand-in for falcred recorded.
type started struct {
	Args, Env []string
	PID, SID  int
	Dir       string
	HUPIgnore bool
	Open      map[string]string
}

// house is a home with a login, and a folder for what the stand-in records.
type house struct {
	home, record string
	env          []string
}

func newHouse(t *testing.T, extra ...string) house {
	h := house{home: testkit.ShortDir(t), record: testkit.ShortDir(t)}
	login(t, h.home)
	h.env = append([]string{"HOME=" + h.home, "FAL_HOME_DIR=" + h.home, "XDG_RUNTIME_DIR=" + h.record,
		"PATH=" + filepath.Dir(daemonBin), "FALCRED_TEST_DIR=" + h.record}, extra...)
	t.Cleanup(func() { h.kill(t) })
	return h
}

// starts is every start so far.
func (h house) starts(t *testing.T) (all []started) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(h.record, "start.*.json"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		var s started
		if err != nil || json.Unmarshal(text, &s) != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, s)
	}
	return all
}

func (h house) kill(t *testing.T) {
	for _, s := range h.starts(t) {
		syscall.Kill(s.PID, syscall.SIGKILL)
	}
}

func (h house) run(t *testing.T, args ...string) outcome {
	return h.runWith(t, nil, args...)
}

func (h house) runWith(t *testing.T, files []*os.File, args ...string) outcome {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, args...)
	var out, err strings.Builder
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = h.env, &out, &err, files
	cmd.Run()
	return outcome{out.String(), err.String(), cmd.ProcessState.ExitCode()}
}

func TestFiftyHelpersStartOneDaemon_Section3(t *testing.T) {
	h := newHouse(t)
	var wg sync.WaitGroup
	outcomes := make([]outcome, 50)
	for i := range outcomes {
		wg.Go(func() { outcomes[i] = h.run(t, "token") })
	}
	wg.Wait()
	all := h.starts(t)
	if len(all) != 1 {
		t.Fatalf("%d daemons were started", len(all))
	}
	for _, got := range outcomes {
		if want := (outcome{out: "pid-" + strconv.Itoa(all[0].PID) + "\n"}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if got := h.run(t, "token"); got.code != 0 || len(h.starts(t)) != 1 {
		t.Errorf("later: %+v, %d starts", got, len(h.starts(t)))
	}
}

func TestADaemonStartedOnDemandGetsThisEnvironmentOnly_Section5(t *testing.T) {
	h := newHouse(t, "FALCRED_ISSUER=http://127.0.0.1:1/", "FALCRED_SERVERS=x.example.com")
	passed := slices.Clone(h.env) // its XDG_RUNTIME_DIR too: where its starter looks for it
	h.env = append(h.env, "FAL_KEY=k", "FAL_KEY_ID=i", "FAL_KEY_SECRET=s", "FAL_FORCE_AUTH_BY_USER=1", "FAL_RUN_HOST=y.example.com",
		"SECRET=x", "XDG_CONFIG_HOME=/x", "HTTPS_PROXY=http://proxy", "LD_LIBRARY_PATH=/x", "GODEBUG=", "FALCREDX=1", "XHOME=1")
	if got := h.run(t, "token"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	s := h.starts(t)[0]
	slices.Sort(passed)
	slices.Sort(s.Env)
	if !slices.Equal(s.Env, passed) {
		t.Errorf("the daemon has %q, want %q", s.Env, passed)
	}
	asked, err := os.ReadFile(filepath.Join(h.record, "asked"))
	if want := `get {"ServerURL":"https://fal.run","ForceUser":true}`; err != nil || string(asked) != want {
		t.Errorf("asked %s, %v", asked, err)
	}
}

func TestADaemonStartedOnDemandIsDetached_Section3(t *testing.T) {
	h := newHouse(t)
	inherited, err := os.Create(filepath.Join(h.record, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer inherited.Close()
	// As `exec 3>lock` in a script: the daemon would hold the lock for ever.
	if got := h.runWith(t, []*os.File{inherited}, "token"); got.code != 0 {
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

func TestFalcredBesideTheHelperComesFirst_Section3(t *testing.T) {
	beside := filepath.Join(filepath.Dir(bin), "falcred")
	if err := os.Link(daemonBin, beside); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(beside)
	h := newHouse(t)
	if got := h.run(t, "token"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	if s := h.starts(t)[0]; s.Args[0] != beside {
		t.Errorf("started %s", s.Args[0])
	}
}

func TestADaemonThatCannotBeFoundIsSaid_Section3(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"", "/nonexistent", ".", "sbin"} {
		h.env = append(h.env, "PATH="+path)
		got := h.run(t, "token")
		if got.code != 75 || got.out != "" || !strings.Contains(got.err, "PATH\n") || !strings.Contains(got.err, "falcred run") {
			t.Errorf("PATH=%q: %+v", path, got)
		}
	}
}

func TestADaemonThatDoesNotComeUpIsSaidInTime_Section3(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]string{"ends": "ended at once", "mute": "does not answer"} {
		h := newHouse(t, "FALCRED_TEST_MODE="+mode)
		begun := time.Now()
		got := h.run(t, "token")
		if got.code != 75 || got.out != "" || !strings.Contains(got.err, want) {
			t.Errorf("%s: %+v", mode, got)
		}
		if took := time.Since(begun); took > readiness+5*time.Second {
			t.Errorf("%s: took %s", mode, took)
		}
		// Whoever failed let the lock go.
		if got := h.run(t, "token"); got.code != 75 || len(h.starts(t)) != 2 {
			t.Errorf("%s: %+v, %d starts", mode, got, len(h.starts(t)))
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
		if mode == 0o755 && found != program || mode == 0o777 && (err == nil || !strings.Contains(err.Error(), program+" is not started")) {
			t.Errorf("in a folder of mode %o: %q, %v", mode, found, err)
		}
	}
}

// A wait that is short is noticed at once, and a long one costs few looks: the
// more helpers wait, the less would be left for the daemon that they wait for.
func TestWaitingForADaemonLeavesItTheMachine_Section3(t *testing.T) {
	socket := testkit.ShortDir(t) + "/s"
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var looks []time.Duration
		r := newRun(nil, nil, nil, func(name string) (string, bool) {
			if name != "FALCRED_SOCKET" {
				return "", false
			}
			if waited := time.Since(begun); len(looks) == 0 || waited > looks[len(looks)-1] {
				looks = append(looks, waited)
			}
			return socket, true
		})
		if err := r.await(t.Context(), nil); err != errNotReady {
			t.Errorf("await: %v", err)
		}
		if took := time.Since(begun); took != readiness {
			t.Errorf("it took %v", took)
		}
		for i, look := range looks[1:] {
			if before := looks[i]; look-before > max(before/4, 10*time.Millisecond) {
				t.Errorf("a daemon that is there after %v is seen after %v", before, look)
			}
		}
		if n, last := len(looks), looks[len(looks)-1]; n > 40 || last != readiness {
			t.Errorf("%d looks, the last after %v", n, last)
		}
	})
}
