//go:build system

package packaging_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/packaging"
)

// The exposure that `systemd-analyze security` may find, of 10. For the user's
// unit it counts what only root can give away, and a sandbox that would need a
// user namespace.
const (
	systemLimit = 2.0
	userLimit   = 5.8
)

// units writes the packages' units as they are installed, but for a program
// that is there.
func units(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	exec := filepath.Join(folder, "falcred")
	service, socket := packaging.User(packaging.Unit{Name: "falcred", Exec: exec, Socket: "/run/falcred.sock",
		Home: "/home/a b/100%", Env: map[string]string{"FAL_HOME_DIR": `/home/a b/100%/"$x\`}})
	system := packaging.System(exec)
	for name, text := range map[string]string{"falcred.service": service, "falcred.socket": socket, "falcred@.service": system, "falcred": "#!/bin/sh\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		os.Chmod(filepath.Join(folder, name), map[bool]os.FileMode{true: 0o755, false: 0o644}[name == "falcred"])
	}
	return folder
}

// Whatever systemd would say about them, in a journal that nobody reads.
func TestUnitsAreClean(t *testing.T) {
	testkit.NeedTool(t, "systemd-analyze")
	folder := units(t)
	t.Setenv("SYSTEMD_UNIT_PATH", folder+":")
	for _, unit := range []string{"falcred.service", "falcred.socket", "falcred@ann.service"} {
		if said := output(t, "systemd-analyze", "verify", "--recursive-errors=yes", "--man=no", filepath.Join(folder, unit)); said != "" {
			t.Errorf("%s:\n%s", unit, said)
		}
	}
}

func TestExposure(t *testing.T) {
	testkit.NeedTool(t, "systemd-analyze")
	folder := units(t)
	overall := regexp.MustCompile(`Overall exposure level for \S+ ([0-9.]+)`)
	for unit, limit := range map[string]float64{"falcred.service": userLimit, "falcred@.service": systemLimit} {
		said := output(t, "systemd-analyze", "security", "--offline=true", "--no-pager", filepath.Join(folder, unit))
		found := overall.FindStringSubmatch(said)
		if found == nil {
			t.Fatalf("no figure for %s:\n%s", unit, said)
		}
		figure, err := strconv.ParseFloat(found[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: exposure %.1f, at most %.1f", unit, figure, limit)
		if figure > limit {
			t.Errorf("%s is exposed at %.1f:\n%s", unit, figure, said)
		}
	}
}
