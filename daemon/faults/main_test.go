//go:build linux && system

package faults

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// falcred is the program under test, plain is it without the race detector.
var falcred, plain string

func TestMain(m *testing.M) {
	testkit.PlayRole(map[string]func() error{"limited": playLimited})
	if code, done := testkit.OwnMounts(); done {
		os.Exit(code)
	}
	testkit.Isolate()
	testkit.SideBySide()
	code := testkit.Programs(m, build)
	table.Print(os.Stdout)
	os.Exit(code)
}

func build(folder string) error {
	plain = filepath.Join(folder, "plain")
	falcred = plain
	if err := testkit.Build("", plain, "../../cmd/falcred"); err != nil || !raceDetector {
		return err
	}
	falcred = filepath.Join(folder, "race")
	return testkit.Build("", falcred, "-race", "../../cmd/falcred")
}
