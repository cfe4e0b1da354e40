package server

import (
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// Wine is slow: one process of its own serves all programs.
const (
	changes     = 100 // of a login, one after the other
	manyHostile = 40
	storeLimit  = testkit.Patience
)

// shrink leaves a pipe's buffer what it is, 64 KiB.
func shrink(testing.TB, *testkit.Conn) {}
