//go:build linux || darwin

package socket

import (
	"testing"

	"github.com/falcred/falcred/protocol"
)

// S10: a daemon that does not know the verb, or has no connection to spare for it, gets
// a signal.
func TestTakeOverBySignal_S10(t *testing.T) {
	for _, code := range []protocol.Code{protocol.CodeBadRequest, protocol.CodeUnavailable} {
		path := in(t)
		other := start(t, play("daemon", path, "FALCRED_TEST_REFUSES="+string(code)))
		other.line()
		open(t, Options{Path: path, TakeOver: true})
		reachable(t, path)
		other.ends()
	}
}
