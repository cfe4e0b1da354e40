//go:build linux || darwin || windows

package socket

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// S1: anybody else says who runs, and leaves it alone.
func TestS1OthersDoNotTakeOver(t *testing.T) {
	path := in(t)
	open(t, Options{Path: path})
	_, err := Open(t.Context(), Options{Path: path})
	var running runningError
	if !errors.As(err, &running) || running.pid != os.Getpid() || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	reachable(t, path)
}

// S1, S10: a service asks the daemon that serves on its socket to end.
func TestS1ServiceTakesOver(t *testing.T) {
	path := in(t)
	other := start(t, play("daemon", path))
	other.line()
	s := open(t, Options{Path: path, TakeOver: true})
	if s.Path() != path {
		t.Errorf("it listens on %s", s.Path())
	}
	reachable(t, path)
	testkit.WantText(t, other.ends(), "asked to stop by "+itoa(os.Getpid()))
}

// S10: one that refuses otherwise is left alone, and named.
func TestTakeOverRefused_S10(t *testing.T) {
	path := in(t)
	other := start(t, play("daemon", path, "FALCRED_TEST_REFUSES="+string(protocol.CodeDenied)))
	other.line()
	_, err := Open(t.Context(), Options{Path: path, TakeOver: true})
	if err == nil {
		t.Fatal("its lock was taken")
	}
	testkit.WantText(t, err.Error(), "(pid "+itoa(other.Process.Pid)+") on "+path+", and cannot be asked to stop: ")
	reachable(t, path)
}

// S5: a service that waits for another daemon's end can be ended itself.
func TestTakeOverEndsWhenAsked_S5(t *testing.T) {
	path := in(t)
	lock, err := claim(path)
	testkit.Must(t, err)
	defer lock.Close()
	silent := listen(t, path) // takes what it is sent, and answers nothing
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	asked := make(chan string, 1)
	go func() {
		if c, err := silent.AcceptUnix(); err == nil {
			line, _ := protocol.NewReader(c).ReadLine()
			asked <- line
			cancel()
		}
	}()
	done := make(chan error, 1)
	go func() {
		_, err := Open(ctx, Options{Path: path, TakeOver: true})
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Fatal("its lock was taken")
		}
		testkit.WantText(t, err.Error(), "had not ended when this one was asked to")
	case <-time.After(testkit.Patience):
		t.Fatal("it waits for the other one")
	}
	if line := <-asked; line != protocol.VerbStop {
		t.Errorf("the other one was sent %q", line)
	}
}
