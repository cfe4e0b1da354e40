package login

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
	testkit.SideBySide()
	if oneIn > 1 {
		freeMemory = func() {} // a full collection, thousands of times
	}
	if oneIn > 1 && os.Getenv("TMPDIR") == "" {
		inMemory()
	}
	os.Exit(m.Run())
}

// inMemory puts the homes of these tests on a file system in memory, where there is one:
// thousands of bubbles wait for a disk otherwise. With the build tag system they are on disk.
func inMemory() {
	const memory = "/dev/shm"
	probe, err := os.MkdirTemp(memory, "falcred")
	if err != nil {
		return
	}
	os.Remove(probe)
	os.Setenv("TMPDIR", memory)
}
