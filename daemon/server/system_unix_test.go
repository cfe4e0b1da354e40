//go:build linux || darwin

package server

import (
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
)

const (
	ahead       = 3000 // requests, sent before the answers are read
	changes     = 1000 // of a login, one after the other
	manyHostile = 200
	storeLimit  = 10 * time.Second
)

func shrink(t testing.TB, c *testkit.Conn) {
	t.Helper()
	testkit.Must(t, c.SetWriteBuffer(4<<10))
}
