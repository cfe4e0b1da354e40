//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// stub answers every request with the status of the moment.
func stub(t *testing.T) *atomic.Pointer[protocol.Status] {
	t.Helper()
	dir := testkit.ShortDir(t)
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	t.Setenv("FALCRED_SOCKET", filepath.Join(dir, "s"))
	t.Setenv("FAL_HOME_DIR", dir)
	var now atomic.Pointer[protocol.Status]
	now.Store(&protocol.Status{State: protocol.StateLoggedIn})
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					line, _ := protocol.AppendAnswer(nil, now.Load())
					c.Write(line)
				}
			}()
		}
	}()
	return &now
}

// status --watch prints what changed, and not that somebody asked.
func TestStatusWatch(t *testing.T) {
	now := stub(t)
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- watchStatus(ctx, in, true)
		in.Close()
	}()
	lines := bufio.NewScanner(out)
	for _, state := range []string{protocol.StateLoggedIn, protocol.StateLoginRequired, protocol.StateLoggedOut} {
		now.Store(&protocol.Status{State: state, Clients: 1000})
		var s standing
		for s.Daemon == nil || s.Daemon.State != state {
			if !lines.Scan() || json.Unmarshal(lines.Bytes(), &s) != nil {
				t.Fatalf("no line with state %s: %q", state, lines.Text())
			}
		}
		now.Store(&protocol.Status{State: state, Clients: 2000})
	}
	cancel()
	for lines.Scan() {
		t.Errorf("one line more: %s", lines.Text())
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
