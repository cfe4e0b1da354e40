package daemon

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// waits is Wait, for a process that must end.
func (h *house) waits(cmd *exec.Cmd) error {
	stuck := time.AfterFunc(testkit.Patience, func() { cmd.Process.Kill() })
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
