//go:build linux || darwin

package daemon

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
)

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

// S5: a service that waits for another daemon's end can be ended itself.
func TestTakeOverEndsWhenAsked_S5(t *testing.T) {
	h := newHouse(t, idp.Config{})
	lock, err := claim(h.sock)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	silent, err := net.Listen("unix", h.sock) // takes what it is sent, and answers nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithCancel(context.Background())
	asked := make(chan string, 1)
	go func() {
		if c, err := silent.Accept(); err == nil {
			line, _ := protocol.NewReader(c).ReadLine()
			asked <- line
			cancel()
		}
	}()
	h.cfg.TakeOver = true
	done := make(chan error, 1)
	go func() { done <- Run(ctx, h.cfg, h.logger()) }()
	select {
	case err := <-done:
		mustContain(t, err.Error(), "had not ended when this one was asked to")
	case <-time.After(patience):
		t.Fatal("it waits for the other one")
	}
	if line := <-asked; line != protocol.VerbStop {
		t.Errorf("the other one was sent %q", line)
	}
}
