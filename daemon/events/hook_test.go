package events

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
)

func mkfifo(t *testing.T, path string) {
	t.Helper()
	if err := exec.Command("mkfifo", path).Run(); err != nil {
		t.Skip("no FIFOs here:", err)
	}
}

func needsShell(t *testing.T) {
	t.Helper()
	testkit.OnWindows(t, "the commands of this test are for /bin/sh; hook_windows_test.go has cmd's")
}

// §3, R12: the command is told of each change once, in order, and of no key; its failure
// is in the log with its last words and stops nothing.
func TestHook_R12(t *testing.T) {
	needsShell(t)
	for _, name := range []string{"FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET", "FALCRED_ON_CHANGE"} {
		t.Setenv(name, "canary")
	}
	t.Setenv("FALCRED_CANARY", "not a key")
	home := newHome(t)
	log := &bytes.Buffer{}
	command := `env | grep -c canary >>"$FAL_HOME_DIR/leaks"; echo "$FALCRED_STATE:$FALCRED_CAUSE:$FALCRED_CANARY" >>changes; echo first >&2; echo it is wrong >&2; exit 3`
	h := OpenHook(command, home, slog.New(slog.NewTextHandler(log, nil)))
	h.Add(Change{State: Refreshed})
	h.Add(Change{State: LoginRequired, Cause: `"; exit 0 #`})
	h.Close(t.Context())
	data, _ := os.ReadFile(filepath.Join(home, "changes"))
	if want := "refreshed::not a key\nlogin_required:\"; exit 0 #:not a key\n"; string(data) != want {
		t.Errorf("told %q, want %q\n%s", data, want, log)
	}
	if leaks, _ := os.ReadFile(filepath.Join(home, "leaks")); string(leaks) != "0\n0\n" {
		t.Errorf("a key reached the command: %q", leaks)
	}
	if n := strings.Count(log.String(), `msg="FALCRED_ON_CHANGE failed"`); n != 2 || !strings.Contains(log.String(), `said="it is wrong"`) {
		t.Errorf("its failure is %d times in the log: %s", n, log)
	}
}

// Without a command nothing runs, and nothing waits.
func TestNoHook(t *testing.T) {
	log := &bytes.Buffer{}
	h := OpenHook("", newHome(t), slog.New(slog.NewTextHandler(log, nil)))
	for range 10 * maxChanges {
		h.Add(Change{State: Refreshed})
	}
	h.Close(t.Context())
	if log.Len() > 0 {
		t.Errorf("logged: %s", log)
	}
}

// The end of FALCRED_ON_CHANGE's time ends its children too, and a home that is gone
// is no reason not to tell of it.
func TestHookEndsWhole(t *testing.T) {
	needsShell(t)
	home, out := newHome(t), t.TempDir()
	fifo := filepath.Join(out, "alive")
	mkfifo(t, fifo)
	h := OpenHook(`(echo alive; sleep 1000) >"`+fifo+`"; echo late`, filepath.Join(home, "gone"), slog.New(slog.DiscardHandler))
	h.Add(Change{State: LoggedOut})
	held, err := os.Open(fifo)
	testkit.Must(t, err)
	defer held.Close()
	held.SetReadDeadline(time.Now().Add(testkit.Patience))   // where a FIFO can have one
	_, err = io.ReadFull(held, make([]byte, len("alive\n"))) // the child says that it is there
	testkit.Must(t, err)
	h.stop()
	if _, err := held.Read(make([]byte, 1)); err != io.EOF { // at the child's end
		t.Errorf("read: %v", err)
	}
	h.Close(t.Context())
}

// S5: a command that hangs does not keep the daemon from ending: neither longer than its
// farewell, nor longer than the daemon itself has. What does not fit is dropped, and that
// is logged.
func TestHookEndsInTime_S5(t *testing.T) {
	needsShell(t)
	for name, last := range map[string]func() (context.Context, context.CancelFunc){
		"the farewell":      func() (context.Context, context.CancelFunc) { return context.Background(), func() {} },
		"the daemon's last": func() (context.Context, context.CancelFunc) { return context.WithTimeout(context.Background(), 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &bytes.Buffer{}
			h := OpenHook("sleep 1000", newHome(t), slog.New(slog.NewTextHandler(log, nil)))
			for range maxChanges + 2 { // one more may be under way
				h.Add(Change{State: Refreshed})
			}
			ctx, cancel := last()
			defer cancel()
			closed := make(chan struct{})
			begun := time.Now()
			go func() {
				h.Close(ctx)
				close(closed)
			}()
			select {
			case <-closed:
			case <-time.After(testkit.Patience):
				t.Fatal("it waits for the command")
			}
			if took := time.Since(begun); ctx.Err() != nil && took >= hookFarewell {
				t.Errorf("it took %v", took)
			}
			if !strings.Contains(log.String(), "a change was not reported to it") {
				t.Error("what was dropped is not logged")
			}
		})
	}
}

// F6: the command is not run where others could have put a program of its name.
func TestHookInASwappedHome_F6(t *testing.T) {
	needsShell(t)
	above, out := newHome(t), filepath.Join(t.TempDir(), "out")
	home := filepath.Join(above, "home")
	testkit.Must(t, os.Mkdir(home, 0o700))
	for mode, want := range map[fs.FileMode]string{0o755: home, 0o777: "/"} {
		testkit.Must(t, os.Chmod(above, mode))
		h := OpenHook("pwd -P >"+out, home, slog.New(slog.DiscardHandler))
		h.Add(Change{State: Refreshed})
		h.Close(t.Context())
		want, _ := filepath.EvalSymlinks(want)
		if data, _ := os.ReadFile(out); strings.TrimSpace(string(data)) != want {
			t.Errorf("below %v it ran in %q, want %q", mode, data, want)
		}
	}
}

// R8: a command is told of changes at its pace after a burst, and of the newest of those that
// come faster; the end waits for no pace.
func TestHookHasAPace_R8(t *testing.T) {
	needsShell(t)
	home := newHome(t)
	log := &bytes.Buffer{}
	h := OpenHook(`echo "$FALCRED_CAUSE" >>changes`, home, slog.New(slog.NewTextHandler(log, nil)))
	told := func() []string {
		data, _ := os.ReadFile(filepath.Join(home, "changes"))
		return strings.Fields(string(data))
	}
	for i := range hookBurst {
		h.Add(Change{State: Refreshed, Cause: fmt.Sprint(i)})
		testkit.Eventually(t, "the burst is told", func() bool { return len(told()) == i+1 })
	}
	begun := time.Now()
	for i := hookBurst; i < hookBurst+maxChanges; i++ {
		h.Add(Change{State: Refreshed, Cause: fmt.Sprint(i)})
	}
	last := fmt.Sprint(hookBurst + maxChanges - 1)
	testkit.Eventually(t, "the newest is told", func() bool { all := told(); return all[len(all)-1] == last })
	if n := len(told()); n > hookBurst+2+int(time.Since(begun)/hookBeat) {
		t.Errorf("told of %d changes", n)
	}
	h.Close(t.Context())
	testkit.WantText(t, log.String(), "changes come too fast for FALCRED_ON_CHANGE")
}
