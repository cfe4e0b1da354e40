//go:build linux || darwin

package daemon

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/socket"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/upgrade"
)

// ready is a new program that could serve, and leaves a file when it is let.
const ready = `#!/bin/sh
if [ "$1" = version ]; then echo '{"Version":"2.0","Protocol":1}'; exit; fi
echo ready >&5; exec 5>&-
read x <&6
echo begun >"$0.begun"
`

// upgraded is a program that has just been replaced.
func upgraded(t *testing.T, text string) upgrade.Program {
	t.Helper()
	path := filepath.Join(testkit.ShortDir(t), "falcred")
	testkit.Must(t, os.WriteFile(path, nil, 0o755))
	p := upgrade.Started([]string{path, "run"}, []string{"PATH=" + os.Getenv("PATH")})
	p.Every = 10 * time.Millisecond
	testkit.Must(t, os.WriteFile(path+".new", []byte(text), 0o755))
	testkit.Must(t, os.Rename(path+".new", path))
	return p
}

func begun(p upgrade.Program) bool {
	_, err := os.Stat(p.Path + ".begun")
	return err == nil
}

// S9: a daemon whose upgrade is ready ends by itself, and leaves the socket and its lock.
func TestUpgradeEndsTheOldOne_S9(t *testing.T) {
	h := newHouse(t, idp.Config{})
	h.cfg.Program = upgraded(t, ready)
	h.run()
	h.Status()
	select {
	case err := <-h.done:
		h.stop = nil
		h.Must(err)
	case <-time.After(testkit.Patience):
		t.Fatal("it goes on")
	}
	h.Eventually("the new one has begun", func() bool { return begun(h.cfg.Program) })
	if _, err := os.Stat(h.Sock); err != nil {
		t.Error("the socket is gone: ", err)
	}
	events, err := os.ReadFile(filepath.Join(h.Home, "falcred.history"))
	if h.Must(err); !strings.Contains(string(events), "a new version takes its place: 2.0") {
		t.Errorf("the history: %s", events)
	}
}

// S9, S10: who wants no daemon gets none: an end that is asked for ends the new one too.
func TestStopWinsOverAnUpgrade_S9(t *testing.T) {
	for name, c := range map[string]struct{ stopped, dead, goesOn bool }{
		"nobody asks for an end":     {goesOn: true},
		"somebody does":              {stopped: true},
		"the new one dies meanwhile": {dead: true},
	} {
		sock, err := socket.Open(t.Context(), socket.Options{Path: filepath.Join(testkit.ShortDir(t), "s")})
		testkit.Must(t, err)
		p := upgraded(t, ready)
		if _, err := p.Newer(t.Context()); err != nil {
			t.Fatal(err)
		}
		asked, stop := context.WithCancel(t.Context())
		defer stop()
		h := &handover{sock: sock, asked: asked}
		if h.next, err = h.start(t.Context(), &p); err != nil {
			t.Fatal(err)
		}
		sock.Leave(true)
		if c.stopped {
			stop()
		}
		if c.dead {
			h.next.Kill()
		}
		h.letGo()
		<-h.next.Gone()
		sock.Close()
		if begun(p) != c.goesOn {
			t.Errorf("%s: the new one has begun: %v", name, begun(p))
		}
		if _, err := os.Stat(sock.Path()); (err == nil) != c.goesOn {
			t.Errorf("%s: the socket: %v", name, err)
		}
	}
}

// S9: others have no socket to be handed over, so their daemon waits for somebody to restart it.
func TestSharingDaemonSaysThatThereIsAnUpgrade_S9(t *testing.T) {
	h := newHouse(t, idp.Config{})
	h.shares()
	h.cfg.Program = upgraded(t, ready)
	h.run()
	h.Eventually("it says so", func() bool {
		return strings.Contains(strings.Join(h.Status().Warnings, " "), "the share socket would be gone for a moment\nrestart the daemon: falcred restart")
	})
	if begun(h.cfg.Program) {
		t.Error("the new one has begun")
	}
}
