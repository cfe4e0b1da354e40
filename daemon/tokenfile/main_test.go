package tokenfile

import (
	"os"
	"os/exec"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// roles are what this test binary can play.
var roles = map[string]func() error{}

func TestMain(m *testing.M) {
	testkit.PlayRole(roles)
	testkit.Isolate()
	os.Exit(m.Run())
}

func mkfifo(path string) error { return exec.Command("mkfifo", path).Run() }
