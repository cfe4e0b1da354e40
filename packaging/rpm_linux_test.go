//go:build system

package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// TestRPM installs, upgrades and erases the rpm in a Debian's root folder, by the
// real rpm. Nothing is booted there: what the scripts do in a running system the
// deb has shown, whose text they share.
func TestRPM(t *testing.T) {
	if testing.Short() {
		t.Skip("builds packages")
	}
	testkit.NeedTool(t, "rpm")
	testkit.NeedTool(t, "debootstrap")
	testkit.NeedRoot(t) // for another root folder
	root := filepath.Join(t.TempDir(), "root")
	old, next := packages(t, "rpm")
	output(t, "cp", "-a", "--reflink=auto", debian(t, systemd), root)
	if err := os.MkdirAll(filepath.Join(root, "home/ann/.fal"), 0o700); err != nil {
		t.Fatal(err)
	}
	const link = "etc/systemd/user/sockets.target.wants/falcred.socket"
	rpm := func(args ...string) string {
		t.Helper()
		said := output(t, "rpm", append([]string{"--root", root, "--nodeps"}, args...)...)
		if strings.Contains(said, "fail") || strings.Contains(said, "error") {
			t.Errorf("rpm %q says:\n%s", args, said)
		}
		return said
	}
	version := func(want string) {
		t.Helper()
		for _, program := range []string{"falcred", "docker-credential-fal"} {
			if said := output(t, "chroot", root, program, "version"); !strings.Contains(said, want) {
				t.Errorf("%s is not %s: %s", program, want, said)
			}
		}
	}

	rpm("-i", old)
	version("0.0.1")
	if _, err := os.Readlink(filepath.Join(root, link)); err != nil {
		t.Errorf("the socket is not on for all users: %v", err)
	}
	for _, name := range []string{"README.md", "helper/RECIPES.md", "falcred.env.example", "THIRD-PARTY-LICENSES.txt"} {
		if _, err := os.Stat(filepath.Join(root, "usr/share/doc/falcred", name)); err != nil {
			t.Errorf("the documentation: %v", err)
		}
	}
	if said := rpm("-V", "falcred"); said != "" {
		t.Errorf("what was installed is not what the package says:\n%s", said)
	}
	// What an administrator has turned off stays off.
	output(t, "systemctl", "--root="+root, "--global", "disable", "falcred.socket")
	rpm("-U", next)
	version("0.0.2")
	if _, err := os.Readlink(filepath.Join(root, link)); err == nil {
		t.Error("an upgrade turned the socket on again")
	}
	rpm("-e", "falcred")
	left, _ := exec.Command("find", root+"/usr", root+"/etc", "-name", "*falcred*", "-o", "-name", "docker-credential-fal*").Output()
	if len(left) > 0 {
		t.Errorf("left behind:\n%s", left)
	}
	if _, err := os.Stat(filepath.Join(root, "home/ann/.fal")); err != nil {
		t.Errorf("a home was touched: %v", err)
	}
}
