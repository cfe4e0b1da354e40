package events

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/disk"
)

// toolEnv has this test be the command of a hook, or what that starts.
const toolEnv = "EVENTS_TEST_TOOL"

func tool(args string) string { return fmt.Sprintf(`"%s" -test.run=^TestTool$ & %s`, os.Args[0], args) }

// TestTool locks the file that is named to it for as long as it lives, and is its own grandchild.
func TestTool(t *testing.T) {
	path, depth, _ := strings.Cut(os.Getenv(toolEnv), "|")
	if path == "" {
		t.Skip("it is what other tests start")
	}
	if depth == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestTool$")
		cmd.Env = append(os.Environ(), toolEnv+"="+path+"|child")
		testkit.Must(t, cmd.Start())
	}
	file, err := disk.OpenFile(path+depth[:min(len(depth), 1)], os.O_CREATE|os.O_RDWR, 0o600)
	testkit.Must(t, err)
	testkit.Eventually(t, "it has the lock", func() bool { return disk.TryLock(file) == nil })
	fmt.Fprintln(file, os.Getpid())
	<-time.After(time.Hour) // and not for ever, which the runtime would take for a deadlock
}

// locked says whether somebody has a file locked.
func locked(t *testing.T, path string) bool {
	t.Helper()
	file, err := disk.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	testkit.Must(t, err)
	defer file.Close()
	err = disk.TryLock(file)
	disk.Unlock(file)
	return errors.Is(err, syscall.EWOULDBLOCK)
}

// §3, R12: the command is told of each change once, in order, and of no key, and a cause is no
// part of it; its failure is in the log with its last words and stops nothing.
func TestHookOfCmd_R12(t *testing.T) {
	for _, name := range []string{"FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET", "FALCRED_ON_CHANGE"} {
		t.Setenv(name, "canary")
	}
	t.Setenv("FALCRED_CANARY", "not a key")
	home := newHome(t)
	log := &bytes.Buffer{}
	command := `echo "%FALCRED_STATE%:%FALCRED_CAUSE%:%FALCRED_CANARY%:%FAL_KEY%%FAL_KEY_ID%%FAL_KEY_SECRET%">>changes& echo first>&2& echo it is wrong>&2& exit 3`
	h := OpenHook(command, home, slog.New(slog.NewTextHandler(log, nil)))
	h.Add(Change{State: Refreshed, Cause: "none"})
	h.Add(Change{State: LoginRequired, Cause: `x" & echo y>pwned & "`})
	told := func() string {
		data, _ := os.ReadFile(filepath.Join(home, "changes"))
		return string(data)
	}
	testkit.Eventually(t, "both are told", func() bool { return strings.Contains(told(), "login_required") })
	h.Close(t.Context())
	data := told()
	got := strings.Fields(data)
	if strings.Contains(data, "canary") || !strings.Contains(data, "refreshed:none:not a key:") || !strings.Contains(data, "login_required:x") {
		t.Errorf("told %q\n%s", got, log)
	}
	if _, err := os.Stat(filepath.Join(home, "pwned")); err == nil {
		t.Error("a cause was run as a command")
	}
	if n := strings.Count(log.String(), `msg="FALCRED_ON_CHANGE failed"`); n != 2 || !strings.Contains(log.String(), "it is wrong") {
		t.Errorf("its failure is %d times in the log: %s", n, log)
	}
}

// The end of FALCRED_ON_CHANGE's time ends the whole tree.
func TestHookEndsWholeJob(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alive")
	t.Setenv(toolEnv, path)
	h := OpenHook(tool("echo late"), newHome(t), slog.New(slog.NewTextHandler(t.Output(), nil)))
	h.Add(Change{State: LoggedOut})
	both := func(want bool) func() bool {
		return func() bool { return locked(t, path) == want && locked(t, path+"c") == want }
	}
	testkit.Eventually(t, "child and grandchild are there", both(true))
	h.stop()
	testkit.Eventually(t, "both are gone", both(false))
	h.Close(t.Context())
}

// What a command leaves behind when it has ended by itself goes on.
func TestHookLeavesChildren(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alive")
	t.Setenv(toolEnv, path+"|child")
	h := OpenHook(fmt.Sprintf(`start /b "" "%s" -test.run=^TestTool$ >NUL 2>&1`, os.Args[0]), newHome(t), slog.New(slog.DiscardHandler))
	h.Add(Change{State: LoggedOut})
	testkit.Eventually(t, "it is there", func() bool { return locked(t, path+"c") })
	h.Close(t.Context())
	if !locked(t, path+"c") {
		t.Fatal("it was ended")
	}
	var pid int
	testkit.Eventually(t, "it has said who it is", func() bool {
		data, _ := os.ReadFile(path + "c")
		n, _ := fmt.Sscan(string(data), &pid)
		return n == 1
	})
	left, err := os.FindProcess(pid)
	testkit.Must(t, err)
	testkit.Must(t, left.Kill())
}

// S5: a command that hangs does not keep the daemon from ending.
func TestHookOfCmdEndsInTime_S5(t *testing.T) {
	t.Setenv(toolEnv, filepath.Join(t.TempDir(), "alive"))
	h := OpenHook(tool("echo late"), newHome(t), slog.New(slog.DiscardHandler))
	h.Add(Change{State: LoggedOut})
	begun := time.Now()
	h.Close(t.Context())
	if took := time.Since(begun); took > 2*hookFarewell {
		t.Errorf("it took %v", took)
	}
}
