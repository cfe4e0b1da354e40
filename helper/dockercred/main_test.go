package dockercred

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// bin holds the real helper; daemonBin the stand-in for falcred.
var bin, daemonBin string

func TestMain(m *testing.M) {
	testkit.Isolate()
	os.Exit(testkit.Programs(m, func(folder string) error {
		bin, daemonBin = filepath.Join(folder, "bin", name+testkit.Exe), filepath.Join(folder, "sbin", "falcred"+testkit.Exe)
		if err := testkit.Build("", bin, "../../cmd/docker-credential-fal"); err != nil {
			return err
		}
		return testkit.Build("", daemonBin, "./testdata/falcred")
	}))
}
