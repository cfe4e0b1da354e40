package testkit

import (
	"os/exec"
	"testing"
	"time"

	"github.com/falcred/falcred/protocol"
)

// Start starts a process, which is gone when the test ends.
func Start(t testing.TB, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // nothing, where it was waited for
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd
}

// Wait is cmd.Wait for a process that must end: one that does not is killed.
func Wait(cmd *exec.Cmd) error {
	stuck := time.AfterFunc(Patience, func() { cmd.Process.Kill() })
	defer stuck.Stop()
	return cmd.Wait()
}

// Listens says whether a socket takes connections: its path is there before.
func Listens(socket string) bool {
	c, err := Dial(socket)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// AskLine sends a request on a connection of its own, and gives the line of its answer.
func AskLine(socket, request string) (string, error) {
	c, err := Dial(socket)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(Patience))
	if _, err := c.Write([]byte(request + "\n")); err != nil {
		return "", err
	}
	return protocol.NewReader(c).ReadLine()
}

// Ask reads the answer to a request into v, or returns the error that it is.
func Ask(socket, request string, v any) error {
	line, err := AskLine(socket, request)
	if err != nil {
		return err
	}
	return protocol.ParseAnswer(line, v)
}
