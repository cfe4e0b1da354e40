package daemon

import (
	"net"
	"os"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// S1, S10: a service asks the daemon that serves on its socket to end.
func TestS1ServiceTakesOver(t *testing.T) {
	h := newHouse(t, idp.Config{})
	_, access := h.SignIn("ann")
	other := h.process(testkit.Role("daemon"))
	h.Dial().Secret()
	h.cfg.TakeOver = true
	ready := make(chan string, 1)
	h.cfg.Ready = func(socket string) { ready <- socket }
	h.run()
	if got := <-ready; got != h.Sock {
		t.Errorf("ready on %s", got)
	}
	if h.Dial().Secret() != access {
		t.Error("no login")
	}
	if err := testkit.Wait(other); err != nil {
		t.Errorf("the other daemon did not end in order: %v", err)
	}
	testkit.WantText(t, h.Logged.String(), `msg="asked to stop" pid=`+itoa(os.Getpid()))
}

// S1: where systemd has put its socket in the place of the other daemon's, that one cannot be
// asked: what is written there waits in our own queue. It gets a signal, and we no stop.
func TestS1ActivatedServiceTakesOver(t *testing.T) {
	h := newHouse(t, idp.Config{})
	_, access := h.SignIn("ann")
	other := h.process(testkit.Role("daemon"))
	h.Dial().Secret()
	if err := os.Remove(h.Sock); err != nil {
		t.Fatal(err)
	}
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
	early := h.Dial() // waits in the queue until somebody serves
	cmd := testkit.Role("activated")
	cmd.ExtraFiles = []*os.File{file}
	h.process(cmd)
	if early.Secret() != access {
		t.Error("no login")
	}
	if err := testkit.Wait(other); err != nil {
		t.Errorf("the other daemon did not end in order: %v", err)
	}
	if pid := h.Status().PID; pid != cmd.Process.Pid {
		t.Errorf("pid %d serves, want %d", pid, cmd.Process.Pid)
	}
	if strings.Contains(h.Logged.String(), "asked to stop") {
		t.Error("somebody was asked by the socket")
	}
}
