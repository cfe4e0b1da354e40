package fsx

import (
	"os"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

func TestMain(m *testing.M) {
	testkit.Isolate()
	os.Exit(m.Run())
}
