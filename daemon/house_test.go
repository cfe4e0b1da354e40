//go:build linux || darwin

package daemon

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// house is one home with a real issuer, a real daemon and real clients.
type house struct {
	*testkit.House
	cfg  Config
	stop context.CancelFunc
	done chan error
}

func newHouse(t *testing.T, cfg idp.Config) *house {
	t.Helper()
	h := &house{House: testkit.NewHouse(t, cfg)}
	h.cfg = testConfig(h.Home, h.IDP.URL)
	h.Lively = h.wantRunning
	return h
}

// wantRunning ends the test where a daemon that was started has ended by itself.
func (h *house) wantRunning() {
	h.Helper()
	select {
	case err := <-h.done:
		h.stop = nil
		h.Fatalf("Run ended: %v", err)
	default:
	}
}

// run starts the daemon; its clients wait for it by dialling.
func (h *house) run() {
	h.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	h.stop, h.done = cancel, make(chan error, 1)
	go func() { h.done <- Run(ctx, h.cfg, h.Logger()) }()
	h.Cleanup(func() {
		if h.stop != nil {
			h.end()
		}
	})
}

// end stops the daemon and waits for it.
func (h *house) end() {
	h.Helper()
	h.stop()
	h.stop = nil
	select {
	case err := <-h.done:
		if err != nil {
			h.Errorf("Run: %v", err)
		}
	case <-time.After(testkit.Patience):
		h.Fatal("the daemon does not end")
	}
}

// shares has the daemon share its login with others.
func (h *house) shares(uids ...int) (socket string) {
	h.Helper()
	h.cfg.ShareSocket, h.cfg.AllowUIDs = filepath.Join(testkit.ShortDir(h.T), "share"), uids
	return h.cfg.ShareSocket
}

// tokens are those in the file, none where there are none.
func (h *house) tokens() tokenfile.TokenPair {
	data, _ := os.ReadFile(h.File)
	p, _ := tokenfile.Parse(data)
	return p
}

// dialAtOnce does not leave the daemon a moment.
func (h *house) dialAtOnce() *testkit.Client {
	h.Helper()
	for deadline := time.Now().Add(testkit.Patience); time.Now().Before(deadline); {
		if c, err := net.Dial("unix", h.Sock); err == nil {
			return testkit.NewClient(h.T, c.(*net.UnixConn))
		}
	}
	h.Fatal("no daemon")
	return nil
}
