//go:build linux || darwin

package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// R4, S6: a home in which nothing can be written is named, and so is the folder that the token
// file is linked into. (The limits, and full disks, are those of package environments.)
func TestRoom_R4(t *testing.T) {
	home := t.TempDir()
	if found := examineRoom(home); len(found) != 0 {
		t.Errorf("found %+v", found)
	}
	if found := examineRoom(filepath.Join(home, "none")); len(found) != 0 {
		t.Errorf("found %+v", found)
	}
	closed := filepath.Join(home, "closed")
	testkit.Must(t, os.Mkdir(closed, 0o500))
	if os.Geteuid() == 0 { // whom no mode stops
		closed = "/proc/sys"
	}
	testkit.Must(t, os.Symlink(filepath.Join(closed, "login"), filepath.Join(home, "auth0_token")))
	found := examineRoom(home)
	if len(found) != 1 || found[0].Result != Fail || !strings.Contains(found[0].Text, closed+": ") || found[0].Hint == "" {
		t.Errorf("found %+v", found)
	}
	if found := examineLimits(); len(found) == 0 || found[0].Text == "" {
		t.Errorf("found %+v", found)
	}
}
