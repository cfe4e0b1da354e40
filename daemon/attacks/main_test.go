//go:build linux && system

package attacks

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// The programs under test: with the race detector where the tests have it, and
// without, where memory or time is measured. Each folder holds the
// same programs.
var bin, plainBin string

func TestMain(m *testing.M) {
	testkit.PlayRole(roles)
	testkit.Isolate()
	testkit.SideBySide()
	code := testkit.Programs(m, build)
	table.Print(os.Stdout)
	os.Exit(code)
}

func build(folder string) error {
	programs := []string{"../../cmd/falcred", "../../cmd/docker-credential-fal", "./testdata/patient", "./testdata/noise"}
	plainBin = filepath.Join(folder, "plain")
	bin = plainBin
	if err := testkit.Build("", plainBin+"/", programs...); err != nil {
		return err
	}
	if raceDetector {
		bin = filepath.Join(folder, "race")
		if err := testkit.Build("", bin+"/", append([]string{"-race"}, programs...)...); err != nil {
			return err
		}
	}
	me = filepath.Join(folder, "attacks")
	return testkit.Install("/proc/self/exe", me)
}
