package main_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
	"golang.org/x/sys/unix"
)

// adopt makes this process the parent of whoever loses its own, so that
// nothing that a helper leaves behind can hide: daemons that were started on
// demand, and zombies, are our children then.
func adopt(t *testing.T) {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) })
}

// counted gives the stage programs of its own: the same helper, and beside it
// a falcred that notes its pid before it becomes the real one.
func (s *stage) counted() {
	s.Helper()
	own := testkit.ShortDir(s.T)
	script := fmt.Sprintf("#!/bin/sh\necho $$ >>\"$FAL_HOME_DIR/starts\"\nexec '%s/falcred' \"$@\"\n", bin)
	if err := os.WriteFile(filepath.Join(own, "falcred"), []byte(script), 0o700); err != nil {
		s.Fatal(err)
	}
	if err := os.Link(filepath.Join(bin, "docker-credential-fal"), filepath.Join(own, "docker-credential-fal")); err != nil {
		s.Fatal(err)
	}
	s.bin = own
}

// started is the one daemon that was started in the home.
func (s *stage) started() (pid int) {
	s.Helper()
	data, _ := os.ReadFile(filepath.Join(s.Home, "starts"))
	pids := strings.Fields(string(data))
	for _, text := range pids {
		one, _ := strconv.Atoi(text)
		s.Cleanup(func() { kill(one) }) // where end was not come to
		pid = one
	}
	if len(pids) != 1 {
		s.Fatalf("%d daemons were started, want 1: %v", len(pids), pids)
	}
	return pid
}

// kill ends a process if it is still a child of ours: its number may be
// another's by now.
func kill(pid int) {
	if got, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil); err == nil && got == 0 {
		syscall.Kill(pid, syscall.SIGKILL)
		syscall.Wait4(pid, nil, 0, nil)
	}
}

// end stops the daemon and sees that it was alone: afterwards this process has
// no child at all.
func (s *stage) end(pid int) {
	s.Helper()
	if zombie() {
		s.Error("a helper left a zombie behind")
	}
	var status syscall.WaitStatus
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		s.Fatal(err)
	}
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil || status.ExitStatus() != 0 {
		s.Errorf("the daemon ended with %v, %v", status, err)
	}
	if _, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); !errors.Is(err, syscall.ECHILD) {
		s.Errorf("something else was left behind: %v", err)
	}
}

// zombie says whether a child of ours has ended and was not waited for.
func zombie() bool {
	var info unix.Siginfo // its Signo is SIGCHLD then
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0
}

// §3, S1, R1: fifty scripts find no daemon and a token that has run out. One
// of them starts one, all are served by it after one refresh, and nothing of
// it stays with them: no open pipe, no session, no child.
func TestStartOnDemandStartsOneDaemon(t *testing.T) {
	adopt(t)
	s := newStage(t, idp.Config{})
	s.counted()
	const helpers = 50
	begun, count, failures := time.Now(), rounds(50), 0
	for range count {
		failures += s.startRound(helpers)
		if t.Failed() {
			break
		}
	}
	stats := s.IDP.Stats()
	t.Logf("%d rounds of %d helpers and no daemon: %d failures, 1 daemon and 1 refresh in each (%d refreshes, %d reuse detections), %v",
		count, helpers, failures, stats.TokenRequests, stats.ReuseDetections, time.Since(begun).Round(time.Millisecond))
	if stats.TokenRequests != count || stats.ReuseDetections != 0 {
		t.Errorf("%d refreshes in %d rounds, %d reuse detections", stats.TokenRequests, count, stats.ReuseDetections)
	}
}

func (s *stage) startRound(helpers int) (failures int) {
	s.Helper()
	s.NewHome()
	refresh, _, _ := s.IDP.Login("ann")
	s.expired(refresh, false)
	// A script's own descriptor, such as a lock that it holds.
	ours, theirs, err := os.Pipe()
	if err != nil {
		s.Fatal(err)
	}
	defer ours.Close()
	secrets, failures := s.crowd(helpers, []string{s.Sock}, func(cmd *exec.Cmd) { cmd.ExtraFiles = []*os.File{theirs} })
	theirs.Close()
	pid := s.started()
	if _, access := s.tokens(); secrets[access] != helpers {
		s.Errorf("%d of %d helpers got the file's token", secrets[access], helpers)
	}
	ours.SetReadDeadline(time.Now().Add(testkit.Patience))
	if _, err := io.ReadAll(ours); err != nil {
		s.Error("the daemon holds a descriptor of its starter: ", err)
	}
	if status, err := s.status(s.Sock); err != nil || status.PID != pid {
		s.Errorf("process %d serves, %d was started: %v", status.PID, pid, err)
	}
	if sid, err := unix.Getsid(pid); err != nil || sid != pid {
		s.Errorf("the daemon is in session %d, not in its own: %v", sid, err)
	}
	s.end(pid)
	return failures
}

// §3, §4: store makes the first login of a machine: there is no home yet, no
// file and no daemon.
func TestStoreStartsADaemonWithoutALogin(t *testing.T) {
	adopt(t)
	s := newStage(t, idp.Config{})
	s.counted()
	s.MoveTo(filepath.Join(s.Base, "fal")) // a .fal in HOME is of fal's own issuer
	refresh, _, _ := s.IDP.Login("ann")
	cmd := exec.Command(filepath.Join(s.bin, "docker-credential-fal"), "store")
	cmd.Env = s.Env()
	cmd.Stdin = strings.NewReader(`{"ServerURL":"https://fal.run","Username":"<token>","Secret":"` + refresh + `"}`)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("store: %v\n%s", err, out)
	}
	stored, access := s.tokens()
	if stored == refresh || !s.IDP.Alive(stored) || access == "" {
		t.Error("the file does not hold the proved login")
	}
	s.end(s.started())
}

// A helper in a terminal that is closed afterwards: the daemon neither keeps
// the terminal open nor ends with it.
func TestStartOnDemandHoldsNoTerminal(t *testing.T) {
	adopt(t)
	s := newStage(t, idp.Config{})
	s.counted()
	refresh, _, _ := s.IDP.Login("ann")
	s.expired(refresh, false)
	master, slave := terminal(t)
	cmd := exec.Command(filepath.Join(s.bin, "docker-credential-fal"), "token")
	cmd.Env = s.Env()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	out := make(chan string, 1)
	go func() {
		data, _ := io.ReadAll(master) // ends with EIO when nobody has it open
		out <- strings.TrimSpace(string(data))
	}()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	pid := s.started()
	select {
	case printed := <-out:
		if _, access := s.tokens(); printed != access {
			t.Errorf("the helper printed %d bytes, not the file's token", len(printed))
		}
	case <-time.After(testkit.Patience):
		t.Error("the terminal is still open")
	}
	if _, err := s.get(s.Sock); err != nil {
		t.Error("the daemon did not outlive the terminal: ", err)
	}
	s.end(pid)
}

// terminal opens a pseudo terminal (pts(4)).
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo terminals here: ", err)
	}
	t.Cleanup(func() { master.Close() })
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// A key in the caller's environment does not reach the daemon that it starts,
// nor the next caller (§5).
func TestStartOnDemandTakesNoKeyAlong(t *testing.T) {
	adopt(t)
	s := newStage(t, idp.Config{})
	s.counted()
	refresh, _, _ := s.IDP.Login("ann")
	s.expired(refresh, false)
	// A get would be answered with the key, and start nothing.
	login := `{"ServerURL":"https://fal.run","Username":"<token>","Secret":"no-such-token"}`
	refused := s.run(s.Sock, login, func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "FAL_KEY=id:secret") }, "store")
	if refused.err == nil {
		t.Error("a token that the issuer does not know was stored")
	}
	if _, err := s.run(s.Sock, protocol.DefaultServer, nil, "get").credential(); err != nil {
		t.Error("the next caller: ", err)
	}
	s.end(s.started())
}
