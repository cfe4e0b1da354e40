package daemon

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

// process starts the daemon as a process of its own.
func (h *house) process(cmd *exec.Cmd) *exec.Cmd {
	h.Helper()
	cmd.Env = append(cmd.Env, "FALCRED_TEST_HOME="+h.cfg.Home, "FALCRED_TEST_ISSUER="+h.cfg.Issuer)
	return h.Start(cmd)
}

// S1: a second daemon says who runs, touches nothing and ends with exit 1.
func TestS1SecondDaemon(t *testing.T) {
	h := newHouse(t, idp.Config{})
	_, access := h.SignIn("ann")
	first := h.process(testkit.Role("daemon"))
	c := h.Dial()
	if got := c.Secret(); got != access {
		t.Fatal("the first daemon does not serve the login")
	}
	second := testkit.Role("daemon", "FALCRED_TEST_HOME="+h.cfg.Home, "FALCRED_TEST_ISSUER="+h.cfg.Issuer)
	out, err := second.Output()
	if second.ProcessState == nil || second.ProcessState.ExitCode() != 1 {
		t.Errorf("the second daemon: %v, want exit 1", err)
	}
	want := "falcred is already running (pid " + itoa(first.Process.Pid) + ") on " + h.Sock
	if got := strings.TrimSpace(string(out)); got != want {
		t.Errorf("the second daemon says %q, want %q", got, want)
	}
	if h.Dial().Secret() != access || c.Secret() != access {
		t.Error("the first daemon no longer serves")
	}
}

// S2, S5: what a kill -9 leaves is replaced, its refresh settled (R4).
func TestS5KillAndRestart(t *testing.T) {
	t.Parallel()
	h := newHouse(t, idp.Config{Overlap: time.Minute})
	hold := idp.NewHold()
	h.IDP.Inject(hold.After())
	refresh, _, _ := h.IDP.Login("ann")
	h.WriteFile(refresh)
	first := h.process(testkit.Role("daemon"))
	<-hold.Arrived // the issuer has committed; its answer will reach nobody
	first.Process.Kill()
	first.Wait()
	close(hold.Release)
	if testkit.Gone(h.Sock) {
		t.Fatal("the killed daemon left no socket: nothing is tested")
	}
	h.run()
	secret := h.Dial().Secret()
	data, err := os.ReadFile(h.File)
	if err != nil {
		t.Fatal(err)
	}
	p, err := tokenfile.Parse(data)
	if err != nil || p.Access != secret || !h.IDP.Alive(p.Refresh) {
		t.Errorf("after the restart the file does not hold the living login: %v", err)
	}
	if s := h.IDP.Stats(); s.ReuseDetections != 0 || s.Replays != 1 {
		t.Errorf("%+v", s)
	}
}

// S5: SIGTERM finishes the refresh, answers what was asked, and removes the
// daemon's own socket.
func TestS5Terminate(t *testing.T) {
	t.Parallel()
	h := newHouse(t, idp.Config{})
	hold := idp.NewHold()
	h.IDP.Inject(hold.After())
	refresh, _, _ := h.IDP.Login("ann")
	h.WriteFile(refresh)
	cmd := h.process(testkit.Role("daemon"))
	<-hold.Arrived

	// Far more than the daemon's buffer holds is sent ahead.
	const ahead = 3000
	asker, idle, watcher := h.Dial(), h.Dial(), h.Dial()
	asker.Send("get https://fal.run\n" + strings.Repeat("version\n", ahead))
	watcher.Send("watch https://fal.run\n")
	idle.Send("version\n")
	idle.Line()
	h.Status() // all of them are let in by now
	cmd.Process.Signal(syscall.SIGTERM)
	idle.WantEnd()
	if !testkit.Gone(h.Sock) {
		t.Error("the socket is still there while the daemon ends")
	}
	if err := cmd.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the daemon did not wait for the refresh: %v", err)
	}
	close(hold.Release)

	var got protocol.Credential
	if err := asker.Answer(&got); err != nil {
		t.Fatalf("the get that was waiting: %v\n%s", err, h.Logged)
	}
	for i := range ahead {
		var v protocol.VersionAnswer
		if err := asker.Answer(&v); err != nil || v.Protocol != protocol.Version {
			t.Fatalf("request %d, sent before the end: %v, %v", i, v, err)
		}
	}
	asker.WantEnd()
	if watcher.Next() != string(got.Secret) {
		t.Error("the watcher did not get its first answer")
	}
	watcher.WantEnd()
	if err := cmd.Wait(); err != nil {
		t.Errorf("exit: %v\n%s", err, h.Logged)
	}
	data, _ := os.ReadFile(h.File)
	if p, err := tokenfile.Parse(data); err != nil || p.Access != string(got.Secret) || !h.IDP.Alive(p.Refresh) {
		t.Errorf("the refresh in flight was not finished: %v", err)
	}
	if testkit.Gone(h.Sock + ".lock") {
		t.Error("the lock file was unlinked (S1)")
	}
}

// S5: a refresh that nobody waits for is finished too.
func TestS5FinishesAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t, idp.Config{})
	hold := idp.NewHold()
	h.IDP.Inject(hold.After())
	refresh, _, _ := h.IDP.Login("ann")
	h.WriteFile(refresh)
	cmd := h.process(testkit.Role("daemon"))
	<-hold.Arrived
	idle := h.Dial()
	idle.Send("version\n")
	idle.Line()
	cmd.Process.Signal(syscall.SIGTERM)
	idle.WantEnd() // nothing is left but the refresh
	close(hold.Release)
	if err := cmd.Wait(); err != nil {
		t.Errorf("exit: %v\n%s", err, h.Logged)
	}
	data, _ := os.ReadFile(h.File)
	if p, err := tokenfile.Parse(data); err != nil || p.Access == "" || !h.IDP.Alive(p.Refresh) {
		t.Errorf("the refresh in flight was not finished: %v", err)
	}
}

// S2: an inherited socket is served, and outlives the daemon.
func TestS2Inherited(t *testing.T) {
	h := newHouse(t, idp.Config{})
	_, access := h.SignIn("ann")
	h.Sock = filepath.Join(h.cfg.Home, "systemd.sock")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: h.Sock, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	file, err := listener.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := testkit.Role("activated")
	cmd.ExtraFiles = []*os.File{file}
	h.process(cmd)
	c := h.Dial()
	if c.Secret() != access {
		t.Fatal("the inherited socket does not serve the login")
	}
	var s protocol.Status
	if err := c.Ask("status", &s); err != nil || s.Socket != h.Sock || s.PID != cmd.Process.Pid {
		t.Errorf("status names the socket %q and the pid %d: %v", s.Socket, s.PID, err)
	}
	testkit.WantText(t, strings.Join(s.Warnings, "\n"), "SocketMode=0600")
	if _, err := os.Lstat(filepath.Join(h.cfg.Home, "falcred.sock")); err == nil {
		t.Error("a second socket was made")
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("exit: %v\n%s", err, h.Logged)
	}
	if testkit.Gone(h.Sock) {
		t.Fatal("the inherited socket was unlinked")
	}
	if _, err := net.Dial("unix", h.Sock); err != nil {
		t.Errorf("the inherited socket no longer takes connections: %v", err)
	}
}

// S4: no core dump, no debugger.
func TestS4Harden(t *testing.T) {
	out, err := testkit.Role("hardened").CombinedOutput()
	if err != nil || string(out) != "dumpable 0, core 0 0" {
		t.Errorf("%v: %s", err, out)
	}
}

// S6: when every connection that a user may have is taken, the next is refused, and a
// refresh still has its descriptors.
func TestS6Reserved(t *testing.T) {
	const reserved, all = 64, 64
	most := all
	if os.Geteuid() != 0 {
		most -= all / 8 // which root may have
	}
	h := newHouse(t, idp.Config{})
	h.process(testkit.Role("daemon", "FALCRED_TEST_NOFILE="+itoa(reserved+all)))
	watcher := h.Dial()
	watcher.Send("watch https://fal.run\n")
	watcher.Until("not_found")
	for range most - 1 {
		c := h.Dial()
		c.Send("version\n")
		c.Line()
	}
	for range 3 {
		c := h.Dial()
		if got := c.Next(); got != "unavailable" {
			t.Fatalf("one too many is answered %q", got)
		}
		c.WantEnd()
	}
	refresh, _, _ := h.IDP.Login("ann")
	h.WriteFile(refresh)
	for {
		if got := watcher.Next(); got != "not_found" && got != "unavailable" {
			break
		}
	}
	if n := h.IDP.Stats().Refreshes; n != 1 {
		t.Errorf("%d refreshes", n)
	}
	watcher.Close()
	h.Eventually("a place for another client", func() bool {
		c := h.Dial()
		defer c.Close()
		var v protocol.VersionAnswer
		c.SetReadDeadline(time.Now().Add(testkit.Patience))
		// Refused ones are hung up on before they ask.
		io.WriteString(c.Conn, "version\n")
		line, err := c.In.ReadLine()
		return err == nil && protocol.ParseAnswer(line, &v) == nil
	})
}

// S6: no descriptor left for accept is no end, and no loop.
func TestS6Starved(t *testing.T) {
	h := newHouse(t, idp.Config{})
	_, access := h.SignIn("ann")
	cmd := testkit.Role("starved", "FALCRED_TEST_NOFILE=200")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	h.process(cmd)
	if h.Dial().Secret() != access {
		t.Fatal("no login")
	}
	io.WriteString(in, "x")
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "starved\n" {
		t.Fatalf("%q, %v", line, err)
	}
	// What is written behind the login's back may give a descriptor back: the
	// first in the kernel's queue may still be let in, and takes it.
	var c *testkit.Client
	h.Eventually("accept fails", func() bool {
		if strings.Contains(h.Logged.String(), "cannot accept connections") {
			return true
		}
		c = h.Dial()
		c.Send("get https://fal.run\n")
		return false
	})
	io.WriteString(in, "x")
	var got protocol.Credential
	if err := c.Answer(&got); err != nil || string(got.Secret) != access {
		t.Errorf("after the famine: %v, %v", got, err)
	}
	if n := strings.Count(h.Logged.String(), "cannot accept connections"); n != 1 {
		t.Errorf("logged %d times", n)
	}
}
