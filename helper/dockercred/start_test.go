package dockercred

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
)

// started is what the stand-in for falcred recorded.
type started struct {
	Args, Env []string
	PID, SID  int
	Dir       string
	HUPIgnore bool
	Open      map[string]string
	Console   bool
}

// homeVariable names a user's folder.
var homeVariable = map[bool]string{false: "HOME", true: "USERPROFILE"}[runtime.GOOS == "windows"]

// house is a home with a login, and a folder for what the stand-in records.
type house struct {
	home, record string
	env          []string
}

func newHouse(t *testing.T, extra ...string) house {
	h := house{home: testkit.ShortDir(t), record: testkit.ShortDir(t)}
	login(t, h.home)
	h.env = append([]string{homeVariable + "=" + h.home, "FAL_HOME_DIR=" + h.home, "XDG_RUNTIME_DIR=" + h.record,
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
		if p, err := os.FindProcess(s.PID); err == nil {
			p.Kill()
			p.Wait() // on Windows a program's file cannot be removed before
		}
	}
}

func (h house) run(t *testing.T, args ...string) outcome {
	return h.runWith(t, func(*exec.Cmd) {}, args...)
}

// runWith has cmd prepared first.
func (h house) runWith(t *testing.T, prepare func(cmd *exec.Cmd), args ...string) outcome {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, args...)
	var out, err strings.Builder
	cmd.Env, cmd.Stdout, cmd.Stderr = h.env, &out, &err
	prepare(cmd)
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

// addedBySystem is for what Windows programs have that nobody gave them: os/exec adds the first,
// and wine the others.
func addedBySystem(entry string) bool {
	name, _, _ := strings.Cut(strings.ToUpper(entry), "=")
	return runtime.GOOS == "windows" && (strings.HasPrefix(name, "WINE") || slices.Contains([]string{"SYSTEMROOT", "SYSTEMDRIVE", "PROCESSOR_ARCHITECTURE"}, name))
}

func TestADaemonStartedOnDemandGetsThisEnvironmentOnly_Section5(t *testing.T) {
	h := newHouse(t, "FALCRED_ISSUER=http://127.0.0.1:1/", "FALCRED_SERVERS=x.example.com")
	passed := append(slices.Clone(h.env), "FALCRED_ON_DEMAND=1") // its XDG_RUNTIME_DIR too: where its starter looks for it
	h.env = append(h.env, "FAL_KEY=k", "FAL_KEY_ID=i", "FAL_KEY_SECRET=s", "FAL_FORCE_AUTH_BY_USER=1", "FAL_RUN_HOST=y.example.com",
		"SECRET=x", "XDG_CONFIG_HOME=/x", "HTTPS_PROXY=http://proxy", "LD_LIBRARY_PATH=/x", "GODEBUG=", "FALCREDX=1", "FALCRED_ON_DEMAND=0", "XHOME=1")
	if got := h.run(t, "token"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	s := h.starts(t)[0]
	s.Env = slices.DeleteFunc(s.Env, addedBySystem)
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

func TestFalcredBesideTheHelperComesFirst_Section3(t *testing.T) {
	beside := filepath.Join(filepath.Dir(bin), filepath.Base(daemonBin))
	if err := os.Link(daemonBin, beside); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(beside) }) // when it does not run any more
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
		if n, last := len(looks), looks[len(looks)-1]; n > 20+int(readiness/(100*time.Millisecond)) || last != readiness {
			t.Errorf("%d looks, the last after %v", n, last)
		}
	})
}
