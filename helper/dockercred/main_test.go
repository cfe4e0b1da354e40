package dockercred

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// bin holds the real helper; daemonBin the stand-in for falcred.
var bin, daemonBin string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	// The environment of whoever runs the tests must not answer them.
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "FAL") || name == "XDG_RUNTIME_DIR" {
			os.Unsetenv(name)
		}
	}
	dir, err := os.MkdirTemp("/tmp", "f")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	os.Chmod(dir, 0o755) // another user runs them too
	bin, daemonBin = filepath.Join(dir, "bin", name), filepath.Join(dir, "sbin", "falcred")
	for out, pkg := range map[string]string{bin: "../../cmd/docker-credential-fal", daemonBin: "./testdata/falcred"} {
		if text, err := exec.Command("go", "build", "-o", out, pkg).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build %s: %v\n%s", pkg, err, text)
			return 1
		}
	}
	return m.Run()
}
