//go:build linux || darwin

package socket

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// F6: a socket whose folder others swap back and forth is not lost for good, and what
// lies there by its name is not removed.
func TestSwappedSocket_F6(t *testing.T) {
	above := testkit.ShortDir(t)
	home := filepath.Join(above, "home")
	testkit.Must(t, os.Mkdir(home, 0o700))
	s, err := Open(t.Context(), Options{Path: filepath.Join(home, "s")})
	testkit.Must(t, err)
	testkit.Must(t, os.Chmod(above, 0o777))
	testkit.Must(t, os.Rename(home, home+".was"))
	testkit.Must(t, os.Mkdir(home, 0o700))
	if s.Lost() {
		t.Error("it ends, while nobody can take its place")
	}
	testkit.Must(t, os.Chmod(above, 0o755))
	if !s.Lost() {
		t.Error("it does not make room")
	}
	testkit.Must(t, os.Chmod(above, 0o777))
	testkit.Must(t, os.Remove(home))
	testkit.Must(t, os.Rename(home+".was", home))
	s.Close()
	if _, err := os.Lstat(s.Path()); err != nil {
		t.Errorf("removed by a path that others can swap: %v", err)
	}
}

// F6: the owner's pid goes into the file that is locked, and into no other that has
// taken its name.
func TestPIDGoesIntoTheLockedFile_F6(t *testing.T) {
	const theirs = "a file of theirs"
	path := filepath.Join(t.TempDir(), "falcred.sock")
	lock, err := claim(path)
	testkit.Must(t, err)
	defer lock.Close()
	testkit.Must(t, os.Rename(path+".lock", path+".was"))
	testkit.Must(t, os.WriteFile(path+".lock", []byte(theirs), 0o644))
	if err := writeOwner(path+".lock", lock); err == nil {
		t.Error("it was written elsewhere")
	}
	if data, _ := os.ReadFile(path + ".lock"); string(data) != theirs {
		t.Errorf("the other file holds %q", data)
	}
}
