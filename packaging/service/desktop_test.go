//go:build linux || windows

package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// A helper's daemon that was started at the same time has the lock, so that ours ends: that one
// serves, and all is well. Where none answers, it is said why ours has ended.
func TestAnotherDaemonIsFaster(t *testing.T) {
	d := desktop{&Service{Socket: filepath.Join(testkit.ShortDir(t), "s")}}
	ended, done := make(chan error), make(chan error)
	go func() { done <- d.await(t.Context(), ended) }()
	ended <- errors.New("exit status 1") // taken: nobody answers yet
	l, err := testkit.Listen(d.Socket)
	testkit.Must(t, err)
	defer l.Close()
	go func() {
		c, err := l.AcceptUnix()
		if err != nil {
			return
		}
		defer c.Close()
		protocol.NewReader(c).ReadLine()
		fmt.Fprintf(c, `{"PID":%d}`+"\n", os.Getpid())
		io.Copy(io.Discard, c)
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Who gives up does not wait for it.
func TestNobodyAnswers(t *testing.T) {
	d := desktop{&Service{Socket: filepath.Join(testkit.ShortDir(t), "s")}}
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("ctrl-c")
	ended, done := make(chan error), make(chan error)
	go func() { done <- d.await(ctx, ended) }()
	ended <- errors.New("exit status 1")
	cancel(stopped)
	if err := <-done; err != stopped {
		t.Errorf("it says %v", err)
	}
}

// A process is alive until it has ended, whoever still has a handle of it; 0 is none.
func TestAlive(t *testing.T) {
	if !alive(os.Getpid()) || alive(0) {
		t.Error("we are not alive, or nobody is")
	}
	self, err := os.Executable()
	testkit.Must(t, err)
	cmd := exec.Command(self, "-test.run", "^$")
	cmd.Stdin = strings.NewReader("")
	testkit.Must(t, cmd.Start())
	pid := cmd.Process.Pid
	testkit.Must(t, cmd.Wait())
	if alive(pid) {
		t.Error("what has ended is alive")
	}
}
