package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/falcred/falcred/helper"
)

// clientID is the identity provider's one client.
const clientID = "test-client"

// child is a daemon in a process of its own, so that it can be killed.
type child struct {
	process *os.Process
	ended   chan struct{} // closed when it has
	log     *tail
}

// startDaemon starts this very program again, as a daemon, and returns when it
// answers.
func startDaemon(ctx context.Context, env []string, socket string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{ended: make(chan struct{}), log: &tail{}}
	cmd := exec.Command(self, "run") // #nosec G204 -- this very program
	cmd.Args[0] = "falcred"
	cmd.Env = env
	cmd.Stderr = c.log
	apart(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("the daemon cannot be started: %w", err)
	}
	c.process = cmd.Process
	go func() {
		defer close(c.ended)
		cmd.Wait() // how it ended is in its log
	}()
	if err := c.ready(ctx, socket); err != nil {
		c.end()
		return nil, fmt.Errorf("the daemon does not answer: %w\n%s", err, c.log.String())
	}
	return c, nil
}

// environment is made from nothing: no key, no proxy and no FAL_ variable of the
// user's takes part.
func environment(home, socket, issuer string) []string {
	env := []string{
		"HOME=" + home,
		"USERPROFILE=" + home,
		"FAL_HOME_DIR=" + home,
		"FALCRED_SOCKET=" + socket,
		"FALCRED_ISSUER=" + issuer,
		"FALCRED_CLIENT_ID=" + clientID,
		"FALCRED_NOTIFY=0", // this login is nobody's
	}
	for _, name := range []string{"PATH", "TMPDIR", "TEMP", "TMP", "SystemRoot", "GOCOVERDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func (c *child) ready(ctx context.Context, socket string) error {
	client := &helper.Client{Socket: socket}
	defer client.Close()
	answers := false
	err := until(ctx, "an answer", func() bool {
		_, err := client.Version(ctx)
		answers = err == nil
		return answers || c.hasEnded()
	})
	if err == nil && !answers {
		err = errors.New("it has ended")
	}
	return err
}

func (c *child) hasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// kill is kill -9.
func (c *child) kill() {
	c.process.Kill() // it fails where the process has ended already
	<-c.ended
}

// end asks first.
func (c *child) end() {
	if c.process.Signal(os.Interrupt) == nil {
		select {
		case <-c.ended:
			return
		case <-time.After(5 * time.Second):
		}
	}
	c.kill()
}

// tail keeps the end of a log, to show if something goes wrong.
type tail struct {
	mu   sync.Mutex // guards text
	text []byte
}

const tailSize = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if extra := len(t.text) - tailSize; extra > 0 {
		t.text = t.text[extra:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.text))
}
