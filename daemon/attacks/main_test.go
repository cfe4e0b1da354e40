//go:build linux && system

package attacks

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The programs under test: with the race detector where the tests have it, and
// without, where memory or time is measured. Each folder holds the
// same programs.
var bin, plainBin string

// roleVariable makes the test binary play somebody instead of running tests.
const roleVariable = "ATTACKS_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("/tmp", "fa")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	os.Chmod(dir, 0o755) // other users run them too
	plainBin = filepath.Join(dir, "plain")
	bin = plainBin
	folders := [][]string{{plainBin}}
	if raceDetector {
		bin = filepath.Join(dir, "race")
		folders = append(folders, []string{bin, "-race"})
	}
	for _, folder := range folders {
		args := append([]string{"build", "-o", folder[0] + "/"}, folder[1:]...)
		build := exec.Command("go", append(args, "../../cmd/falcred", "../../cmd/docker-credential-fal", "./testdata/patient", "./testdata/noise")...)
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := os.Mkdir(folder[0], 0o755); err != nil || build.Run() != nil {
			fmt.Fprintln(os.Stderr, "go build failed:", err)
			return 1
		}
	}
	if err := installMe(filepath.Join(dir, "attacks")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// A developer's own settings would be every program's.
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "FAL") && name != longVariable {
			os.Unsetenv(name)
		}
	}
	// They wait more than they work.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	printTable(os.Stdout)
	return code
}
