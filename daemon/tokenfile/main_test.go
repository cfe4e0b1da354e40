package tokenfile

import (
	"os"
	"os/exec"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

func TestMain(m *testing.M) {
	testkit.Umask()
	os.Exit(m.Run())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mkfifo(path string) error { return exec.Command("mkfifo", path).Run() }
