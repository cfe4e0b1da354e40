//go:build linux && system

package environments

import (
	"os"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"golang.org/x/sys/unix"
)

// bin holds the two programs.
var bin string

var table = testkit.Table{Columns: [3]string{"environment", "tried", "what came of it"}}

func TestMain(m *testing.M) {
	if code, done := testkit.OwnMounts(); done {
		os.Exit(code)
	}
	testkit.Isolate()
	testkit.SideBySide()
	// Daemons that helpers start, and whatever else loses its parent, are ours then: nothing
	// can hide.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	code := testkit.Programs(m, func(folder string) error {
		bin = folder
		return testkit.Build("", bin+"/", "../../cmd/falcred", "../../cmd/docker-credential-fal")
	})
	table.Print(os.Stdout)
	os.Exit(code)
}
