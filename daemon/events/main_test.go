package events

import (
	"os"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// roles are what the test binary plays where a process matters.
var roles = map[string]func() error{}

func TestMain(m *testing.M) {
	testkit.PlayRole(roles)
	testkit.Isolate()
	os.Exit(m.Run())
}
