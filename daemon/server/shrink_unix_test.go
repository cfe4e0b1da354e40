//go:build linux || darwin

package server

import (
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

func shrink(t testing.TB, c *testkit.Conn) {
	t.Helper()
	testkit.Must(t, c.SetWriteBuffer(4<<10))
}
