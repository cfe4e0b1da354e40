package tokenfile

import (
	"os"
	"os/exec"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

func TestMain(m *testing.M) {
	testkit.Isolate()
	os.Exit(m.Run())
}

func mkfifo(path string) error { return exec.Command("mkfifo", path).Run() }
