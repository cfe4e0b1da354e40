package daemon

import (
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
)

// waits is Wait, for a process that must end.
func (h *house) waits(cmd *exec.Cmd) error {
	stuck := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer stuck.Stop()
	return cmd.Wait()
}

// S1, S10: a service asks the daemon that serves on its socket to end.
func TestS1ServiceTakesOver(t *testing.T) {
	h := newHouse(t, idp.Config{})
	_, access := h.signIn("ann")
	other := h.process(play("daemon"))
	h.dial().secret()
	h.cfg.TakeOver = true
	ready := make(chan string, 1)
	h.cfg.Ready = func(socket string) { ready <- socket }
	h.run()
	if got := <-ready; got != h.sock {
		t.Errorf("ready on %s", got)
	}
	if h.dial().secret() != access {
		t.Error("no login")
	}
	if err := h.waits(other); err != nil {
		t.Errorf("the other daemon did not end in order: %v", err)
	}
	mustContain(t, h.log.String(), `msg="asked to stop" pid=`+itoa(os.Getpid()))
}

// S1: where systemd has put its socket in the place of the other daemon's, that one cannot be
// asked: what is written there waits in our own queue. It gets a signal, and we no stop.
func TestS1ActivatedServiceTakesOver(t *testing.T) {
	h := newHouse(t, idp.Config{})
	_, access := h.signIn("ann")
	other := h.process(play("daemon"))
	h.dial().secret()
	if err := os.Remove(h.sock); err != nil {
		t.Fatal(err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: h.sock, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	file, err := listener.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	early := h.dial() // waits in the queue until somebody serves
	cmd := play("activated")
	cmd.ExtraFiles = []*os.File{file}
	h.process(cmd)
	if early.secret() != access {
		t.Error("no login")
	}
	if err := h.waits(other); err != nil {
		t.Errorf("the other daemon did not end in order: %v", err)
	}
	if pid := h.status().PID; pid != cmd.Process.Pid {
		t.Errorf("pid %d serves, want %d", pid, cmd.Process.Pid)
	}
	if strings.Contains(h.log.String(), "asked to stop") {
		t.Error("somebody was asked by the socket")
	}
}

// The number in the lock file can be anybody's: only who holds the lock is signalled, and
// once.
func TestS1TakeOverSparesStrangers(t *testing.T) {
	h := newHouse(t, idp.Config{})
	h.signIn("ann")
	other := h.process(play("daemon"))
	h.dial().secret()
	lock := h.sock + ".lock"
	stranger := exec.Command("cat")
	in, err := stranger.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lock, []byte(strconv.Itoa(stranger.Process.Pid)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	holder := other.Process.Pid
	if pid, err := endHolder(lock, 0, holder); pid != 0 || err != nil {
		t.Errorf("signalled again: %d, %v", pid, err)
	}
	if pid, err := endHolder(lock, 0, 0); pid != holder || err != nil {
		t.Errorf("signalled %d, %v; the holder is %d", pid, err, holder)
	}
	if err := h.waits(other); err != nil {
		t.Errorf("the holder: %v", err)
	}
	if pid, err := endHolder(lock, 0, 0); pid != 0 || err != nil {
		t.Errorf("nobody holds it, and %d was signalled: %v", pid, err)
	}
	in.Close()
	if err := stranger.Wait(); err != nil {
		t.Errorf("a stranger was ended: %v", err)
	}
}

// G14: a lock on a file of the same inode number on another file system is another's.
func TestLockHolderByDevice_S10(t *testing.T) {
	table := []byte(`1: FLOCK  ADVISORY  WRITE 666 00:2a:77 0 EOF
2: POSIX  ADVISORY  READ  42 fe:00:77 0 EOF
3: FLOCK  ADVISORY  WRITE 1234 fe:00:77 0 EOF
3: -> FLOCK  ADVISORY  WRITE 99 fe:00:77 0 EOF
4: POSIX  ADVISORY  READ  43 00:2a:77 0 EOF
5: FLOCK  ADVISORY  WRITE 667 fe:00:177 0 EOF
`)
	for own, want := range map[int]int{42: 1234, 43: 666, 44: 0} {
		if got := flockOf(table, own, ":77"); got != want {
			t.Errorf("for %d: %d, want %d", own, got, want)
		}
	}
}
