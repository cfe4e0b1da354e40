//go:build linux || darwin || windows

package fsx

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/strict"
)

// F6: the home belongs to the user, or is refused.
func TestF6HomeOfAnotherUser(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	if err := MakeHome(home); err != nil {
		t.Fatal(err)
	}
	if info, _ := disk.Stat(home); info.Mode().Perm() != 0o700 {
		t.Fatalf("a new home has mode %v", info.Mode())
	}
	disk.Chmod(home, 0o777)
	if err := MakeHome(home); err == nil {
		t.Error("a home that others can write was accepted")
	}
	disk.Chmod(home, 0o755)
	theirs := testkit.TheirFolder(t)
	if err := MakeHome(theirs); err == nil || !strings.Contains(err.Error(), "another user") {
		t.Errorf("another user's home: %v", err)
	}
	if err := MakeHome(filepath.Join(theirs, ".fal")); err == nil {
		t.Error("a folder was made in another user's home")
	}
}

// F6: what the version before accepted goes on, where nobody else can swap it.
func TestHomesOfTheVersionBefore_F6(t *testing.T) {
	for name, c := range map[string]struct {
		above fs.FileMode
		home  fs.FileMode
		want  string
	}{
		"as adduser makes it":     {0o755, 0o700, ""},
		"a private home":          {0o700, 0o700, ""},
		"as the fal CLI makes it": {0o755, 0o755, ""},
		"in /tmp":                 {0o777 | fs.ModeSticky, 0o700, ""},
		"below 0777":              {0o777, 0o700, "go"},
		"below 0757":              {0o757, 0o700, "go"},
	} {
		if c.above&fs.ModeSticky != 0 && testkit.Wine() {
			continue // who may write a folder there may remove what is in it
		}
		above := t.TempDir()
		home := filepath.Join(above, "home")
		testkit.Must(t, os.Mkdir(home, 0o700))
		testkit.Must(t, disk.Chmod(home, c.home))
		testkit.Must(t, disk.Chmod(above, c.above))
		err := MakeHome(home)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), strict.Withdraw(c.want, above)) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// F6: a folder above that our own group may write, and nobody else is in, stops
// nothing; any other group's does.
func TestGroupsAbove_F6(t *testing.T) {
	above := t.TempDir()
	home := filepath.Join(above, "home")
	testkit.Must(t, os.Mkdir(home, 0o700))
	testkit.Must(t, disk.Chmod(above, 0o775))
	troubles, err := strict.Examine(home)
	if testkit.Must(t, err); len(troubles) != 1 {
		t.Fatalf("found %+v", troubles)
	}
	if err := MakeHome(home); (err == nil) != troubles[0].Minor {
		t.Errorf("minor: %v, and the home: %v", troubles[0].Minor, err)
	}
}

// F6: nothing is made in what belongs to another user; what everybody may write is
// spared.
func TestCheckPlace_F6(t *testing.T) {
	theirs := testkit.TheirFolder(t)
	everybodys := os.TempDir() // root's
	if os.Geteuid() == 0 {
		everybodys = testkit.TheirFolder(t)
		testkit.Must(t, disk.Chmod(everybodys, 0o777|fs.ModeSticky))
	}
	for path, good := range map[string]bool{
		filepath.Join(t.TempDir(), "a", "b"): true,
		filepath.Join(everybodys, "a", "b"):  true,
		theirs:                               false,
		filepath.Join(theirs, "a", "b", "c"): false,
	} {
		if err := CheckPlace(path); (err == nil) != good {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := MakeFolder(filepath.Join(theirs, "new")); err == nil || !strings.Contains(err.Error(), theirs+" belongs to another user\nrun falcred as that user") {
		t.Errorf("a folder there: %v", err)
	}
	folder := filepath.Join(t.TempDir(), "a", "b")
	testkit.Must(t, MakeFolder(folder))
	if info, err := disk.Stat(folder); err != nil || info.Mode().Perm() != 0o700 || !IsFolder(folder) {
		t.Errorf("a new folder: %v, %v", info, err)
	}
}
