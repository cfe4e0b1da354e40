//go:build system

package packaging_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/packaging"
)

// Python's plistlib reads a property list as macOS does.
func TestPlist(t *testing.T) {
	testkit.NeedTool(t, "python3")
	text := packaging.Plist(packaging.Agent{Label: "l", Exec: hostile, Log: hostile, User: "ann", Env: map[string]string{"FAL_HOME_DIR": hostile}})
	cmd := exec.Command("python3", "-c", `import plistlib, sys
p = plistlib.loads(sys.stdin.buffer.read())
path = sys.argv[1]
assert p["ProgramArguments"] == [path, "run"], p
assert p["EnvironmentVariables"] == {"FAL_HOME_DIR": path}, p
assert p["StandardErrorPath"] == path and p["UserName"] == "ann" and p["Umask"] == 0o077, p
assert p["RunAtLoad"] is True and p["KeepAlive"] == {"SuccessfulExit": False}, p
`, hostile)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, out, text)
	}
}
