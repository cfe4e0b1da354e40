//go:build linux && system

package helper

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/helper/internal/testdaemon"
	"github.com/falcred/falcred/protocol"
)

// §3: the file system of a home hangs, and dies, while the daemon lives at XDG_RUNTIME_DIR and
// serves from memory.
func TestDeadHome_Section3(t *testing.T) {
	hurry(t)
	waits.prompt = testkit.Patience
	home, run := testkit.ShortDir(t), testkit.ShortDir(t)
	server := testkit.HangingFolder(t, home)
	ask := func() error {
		c := New(testdaemon.Lookup(map[string]string{"FAL_HOME_DIR": home, "XDG_RUNTIME_DIR": run}))
		defer c.Close()
		_, err := c.Get(t.Context(), fal)
		return err
	}
	serve := func() *testdaemon.Server {
		return testdaemon.Serve(t, filepath.Join(run, "falcred.sock"), func(r protocol.Request) any {
			if r.Verb == protocol.VerbStatus {
				return protocol.Status{Home: home}
			}
			return testdaemon.Bearer(r)
		})
	}
	for _, state := range []struct{ name, says string }{{"hangs", "its file system does not answer"}, {"is dead", syscall.ENOTCONN.Error()}} {
		if err := ask(); codeOf(err) != protocol.CodeUnavailable || !strings.Contains(err.Error(), state.says) {
			t.Errorf("it %s, no daemon: %v", state.name, err)
		}
		s := serve()
		if err := ask(); err != nil {
			t.Errorf("it %s: %v", state.name, err)
		}
		s.Stop()
		server.Close()
	}
}
