//go:build linux || darwin

package daemon

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
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
