//go:build system && linux

package main_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
)

// asked counts what clients have asked for.
type asked struct {
	requests, watches atomic.Int64 // that were answered
	failures          atomic.Int64
	longest           atomic.Int64 // ns
	said              sync.Map     // what the failures were
}

func (a *asked) note(n *atomic.Int64, begun time.Time, err error) {
	took := int64(time.Since(begun))
	for before := a.longest.Load(); took > before && !a.longest.CompareAndSwap(before, took); {
		before = a.longest.Load()
	}
	if n.Add(1); err != nil {
		a.failures.Add(1)
		a.said.Store(err.Error(), true)
	}
}

// keepAsking asks on one connection, without a pause longer than that, until ctx ends.
func (a *asked) keepAsking(ctx context.Context, c *helper.Client, pause time.Duration, fresh bool) {
	for ctx.Err() == nil {
		begun := time.Now()
		var err error
		if fresh { // on a connection of its own, and once, as store and erase are
			err = testkit.Ask(c.Socket, "get "+protocol.DefaultServer, new(protocol.Credential))
		} else {
			_, err = c.Get(context.Background(), protocol.Query{ServerURL: protocol.DefaultServer})
		}
		a.note(&a.requests, begun, err)
		sleep(ctx, pause)
	}
}

// keepWatching watches, and connects again where the stream ends.
func (a *asked) keepWatching(ctx context.Context, c *helper.Client) {
	for ctx.Err() == nil {
		begun, first := time.Now(), true
		for _, err := range c.Watch(ctx, protocol.Query{ServerURL: protocol.DefaultServer}) {
			if ctx.Err() != nil {
				return
			}
			if first {
				a.note(&a.watches, begun, err)
			}
			first = false
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// S9: what clients feel of an upgrade is nothing.
func TestClientsDoNotFeelUpgrades_S9(t *testing.T) {
	const clients, count = 50, 20
	u := newUpgrades(t, idp.Config{})
	var a asked
	ctx, end := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range clients {
		held := &helper.Client{Socket: u.Sock}
		defer held.Close()
		wg.Go(func() { a.keepAsking(ctx, held, 10*time.Millisecond, false) })
		wg.Go(func() { a.keepAsking(ctx, &helper.Client{Socket: u.Sock}, time.Duration(40+i)*time.Millisecond, true) })
		wg.Go(func() { a.keepWatching(ctx, &helper.Client{Socket: u.Sock}) })
	}
	pids := map[int]bool{}
	for range count {
		s := u.serves(u.install())
		pids[s.PID] = true
		u.reap()
	}
	end()
	wg.Wait()
	a.said.Range(func(text, _ any) bool { t.Error(text); return true })
	if len(pids) != count || a.watches.Load() < clients*count {
		t.Errorf("%d processes served after %d upgrades; %d watches", len(pids), count, a.watches.Load())
	}
	if n := a.failures.Load(); n > 0 {
		t.Errorf("%d requests failed", n)
	}
	if stats := u.IDP.Stats(); stats.ReuseDetections != 0 || stats.TokenRequests != 1 {
		t.Errorf("%+v", stats)
	}
	table.Report(t, fmt.Sprintf("%d clients, each with a held connection, requests in flight, new connections and a watch", clients),
		testkit.Count(count, "upgrade"), fmt.Sprintf("%s and %s, %d failed; the longest took %d ms", testkit.Count(int(a.requests.Load()), "request"),
			testkit.Count(int(a.watches.Load()), "")+" watches", a.failures.Load(), time.Duration(a.longest.Load()).Milliseconds()))
}

// held has a new program wait, in the middle of a handover, until it is let go: begun is its
// process.
func (u *upgrades) held() (begun func() (pid int), letGo func()) {
	u.Helper()
	paths, err := versions()
	u.Must(err)
	was, may := filepath.Join(u.Base, fmt.Sprint("begun-", u.n)), filepath.Join(u.Base, fmt.Sprint("go-", u.n))
	u.n++
	u.script(fmt.Sprintf("if [ $1 = run ]; then echo $$ >%s; while [ ! -e %s ]; do sleep 0.02; done; fi\nexec -a \"$0\" %s \"$@\"\n", was, may, paths[1]))
	begun = func() (pid int) {
		u.Helper()
		u.Eventually("the new program is started", func() bool {
			text, _ := os.ReadFile(was)
			fmt.Sscan(string(text), &pid)
			return pid > 0
		})
		return pid
	}
	return begun, func() { u.Must(os.WriteFile(may, nil, 0o600)) }
}

// kill kills a daemon, and waits for its end.
func (u *upgrades) kill(pid int) {
	u.Helper()
	u.Must(syscall.Kill(pid, syscall.SIGKILL))
	u.Eventually("it is dead", func() bool {
		syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		return syscall.Kill(pid, 0) == syscall.ESRCH
	})
}

// S9, S1: whichever of the two is killed in the middle, one of them serves, with the same login.
func TestKilledInAHandover_S9(t *testing.T) {
	u := newUpgrades(t, idp.Config{})
	before := u.serves(version(0))
	begun, _ := u.held()
	fresh := begun()
	u.kill(fresh)
	u.warned("signal: killed")
	if s := u.serves(version(0)); s.PID != before.PID {
		t.Errorf("%+v", s)
	}
	begun, letGo := u.held()
	fresh = begun()
	u.kill(before.PID)
	letGo()
	if s := u.serves(version(1)); s.PID != fresh || s.Expires != before.Expires {
		t.Errorf("%+v, and the new one is %d", s, fresh)
	}
	table.Report(t, "the old one, or the new one, killed while that starts", "2 kills", "the other one serves, with the same token")
}

// S9: at a random moment of it, either is killed. Where none is left, the next helper starts one.
func TestKilledAtAnyMomentOfAHandover_S9(t *testing.T) {
	const count = 24
	u := newUpgrades(t, idp.Config{})
	followed, none, again := 0, 0, 0
	for i := range count {
		before, err := u.status(u.Sock)
		u.Must(err)
		paths, err := versions()
		u.Must(err)
		was := filepath.Join(u.Base, fmt.Sprint("begun-", i))
		u.n++
		u.script(fmt.Sprintf("if [ $1 = run ]; then echo $$ >%s; fi\nexec -a \"$0\" %s \"$@\"\n", was, paths[i%2]))
		pid := 0
		u.Eventually("the new program is started", func() bool {
			text, _ := os.ReadFile(was)
			fmt.Sscan(string(text), &pid)
			return pid > 0
		})
		time.Sleep(time.Duration(i/2) * 15 * time.Millisecond) // the moment is what is tried
		if i%2 == 0 {
			pid = before.PID
		}
		syscall.Kill(pid, syscall.SIGKILL)
		testkit.Eventually(t, "it is dead", func() bool {
			syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
			return syscall.Kill(pid, 0) == syscall.ESRCH
		})
		if _, err := u.status(u.Sock); err != nil {
			none++
		}
		// While the old one is about to exit it still has the lock, and a daemon that is started
		// makes way for it: the helper says 75 then, as it does beside falcred stop.
		for u.run(u.Sock, protocol.DefaultServer, nil, "get").err != nil {
			if again++; again > count {
				t.Fatal("no helper gets a daemon")
			}
		}
		after, err := u.status(u.Sock)
		u.Must(err)
		if after.PID != before.PID {
			followed++
		}
		if after.State != protocol.StateLoggedIn || after.Expires != before.Expires {
			t.Errorf("%d: %+v", i, after)
		}
	}
	if stats := u.IDP.Stats(); stats.ReuseDetections != 0 || stats.TokenRequests != 1 {
		t.Errorf("%+v", stats)
	}
	table.Report(t, "the old one, or the new one, killed within 180 ms from the new one's start", testkit.Count(count, "kill"),
		fmt.Sprintf("login alive each time; %d times another process serves, %d times the next helper had to start it, %d times it said 75 first", followed, none, again))
}

// S9, S10: who wants no daemon gets none, in the middle of a handover too.
func TestStoppedInAHandover_S9(t *testing.T) {
	u := newUpgrades(t, idp.Config{})
	before := u.serves(version(0))
	begun, _ := u.held()
	fresh := begun()
	stop := exec.Command(u.program, "stop")
	stop.Path, stop.Env = filepath.Join(bin, "falcred"), u.Env()
	if out, err := stop.CombinedOutput(); err != nil || !strings.Contains(string(out), fmt.Sprintf("falcred has stopped (pid %d)", before.PID)) {
		t.Errorf("%v\n%s", err, out)
	}
	u.Eventually("both have ended", func() bool {
		syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		return syscall.Kill(before.PID, 0) == syscall.ESRCH && syscall.Kill(fresh, 0) == syscall.ESRCH
	})
	if _, err := os.Stat(u.Sock); err == nil {
		t.Error("the socket is left")
	}
	table.Report(t, "falcred stop in the middle of an upgrade", "1 stop", "both have ended")
}

// S9: a new program that hangs costs nobody anything; it is said once.
func TestHangingUpgradeIsNotFollowed_S9(t *testing.T) {
	u := newUpgrades(t, idp.Config{})
	before := u.serves(version(0))
	for script, says := range map[string]string{
		"exec sleep 1000": "it did not say its version within 5s",
		"case $1 in version) echo '{\"Version\":\"9.9.9\",\"Protocol\":1}' ;; *) exec sleep 1000 ;; esac":                "it was not ready within 10s",
		"case $1 in version) echo '{\"Version\":\"9.9.9\",\"Protocol\":1}' ;; *) exec sleep 1000 3>&- 4>&- 5>&- ;; esac": "it does not say that it is ready",
	} {
		u.script(script)
		u.warned(says)
		if s := u.serves(version(0)); s.PID != before.PID || len(s.Warnings) != 1 {
			t.Errorf("%s: %+v", says, s)
		}
	}
	if s := u.serves(u.install()); s.PID == before.PID {
		t.Errorf("%+v", s)
	}
	table.Report(t, "a new program that hangs, in three ways", "3 programs", "the old one serves, and says so once for each")
}

// S9: the running program cannot be written in place; where others can write it, or its folder, it
// is not followed, and why is said, until that is mended.
func TestOddInstallsAreNotFollowed_S9(t *testing.T) {
	u := newUpgrades(t, idp.Config{})
	before := u.serves(version(0))
	if _, err := os.OpenFile(u.program, os.O_WRONLY, 0); err == nil || !strings.Contains(err.Error(), "text file busy") {
		t.Errorf("the running program was opened for writing: %v", err)
	}
	version := u.install()
	u.Must(os.Chmod(u.bin, 0o777))
	u.warned(u.bin + " can be written by others")
	if s, err := u.status(u.Sock); err != nil || s.PID != before.PID {
		t.Errorf("%+v, %v", s, err)
	}
	u.Must(os.Chmod(u.bin, 0o755))
	if s := u.serves(version); len(s.Warnings) > 0 {
		t.Errorf("%+v", s)
	}
	install := exec.Command("go", "install", "-ldflags", "-X main.release=9.1.0 -X main.lookEvery=100ms", "../falcred")
	install.Env = append(os.Environ(), "GOBIN="+u.bin)
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	u.serves("9.1.0")
	table.Report(t, "go install over the running program", "1 install", "followed")
	table.Report(t, "a program in a folder that others can write", "1 program", "not started, and why is said; followed once the folder is mended")
}

// S9: what has a manager, or a terminal, or others' socket, is not replaced behind their back.
func TestManagedDaemonDoesNotFollow_S9(t *testing.T) {
	beside := newUpgrades(t, idp.Config{})
	for name, more := range map[string][]string{
		"in a terminal":          nil,
		"a service of systemd's": {"FALCRED_ON_DEMAND=1", "NOTIFY_SOCKET=/nowhere"},
	} {
		u := &upgrades{stage: newStage(t, idp.Config{})}
		u.bin = testkit.ShortDir(t)
		u.program = filepath.Join(u.bin, "falcred")
		u.install()
		cmd := exec.Command(u.program, "run")
		cmd.Env = append(u.Env(), more...)
		u.Start(cmd)
		before := u.serves(version(0))
		u.install()
		for range 2 { // in which one that follows does so twice
			beside.serves(beside.install())
		}
		if s, err := u.status(u.Sock); err != nil || s.PID != before.PID || s.Version != version(0) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		u.Must(cmd.Process.Signal(syscall.SIGTERM))
		u.Must(cmd.Wait())
	}
}
