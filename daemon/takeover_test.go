//go:build linux || darwin

package daemon

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
)

// S1: a service asks the daemon that holds its socket's lock to end.
func TestS1ServiceTakesOver(t *testing.T) {
	h := newHouse(t, idp.Config{})
	lock, err := claim(h.sock)
	if err != nil {
		t.Fatal(err)
	}
	// The lock is ours, the pid another's: once that has ended, so has its hold.
	other := exec.Command("cat")
	held, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lock.Path(), []byte(strconv.Itoa(other.Process.Pid)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		other.Wait()
		lock.Close()
	}()
	_, access := h.signIn("ann")
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
}

// S1: anybody else says who runs, and leaves it alone.
func TestS1OthersDoNotTakeOver(t *testing.T) {
	h := newHouse(t, idp.Config{})
	h.run()
	pid := h.status().PID
	err := Run(context.Background(), h.cfg, h.logger())
	var running runningError
	if !errors.As(err, &running) || running.pid != pid || !strings.Contains(err.Error(), h.sock) {
		t.Errorf("%v", err)
	}
	if h.status().PID != pid {
		t.Error("it was ended")
	}
}
