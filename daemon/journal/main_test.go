package journal

import (
	"path/filepath"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/disk"
)

// newHome is a folder that is ours alone, whatever the umask (F6).
func newHome(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	testkit.Must(t, disk.Chmod(home, 0o700))
	return home
}

// newTarget is the name of a token file in a home of its own.
func newTarget(t *testing.T) (file tokenfile.File, target string) {
	t.Helper()
	file = tokenfile.In(newHome(t), func(text string) { t.Error(text) })
	return file, file.Path
}

func begin(t *testing.T, target, refresh string) *Entry {
	t.Helper()
	e, err := Begin(target, refresh)
	testkit.Must(t, err)
	return e
}

// wantNoEntries: nothing is left beside the token file.
func wantNoEntries(t *testing.T, target string) {
	t.Helper()
	if left := Others(target, ""); len(left) > 0 {
		t.Errorf("left beside the token file: %v", left)
	}
}

// linkTo puts a symlink to a file elsewhere at path, and returns that file's name.
func linkTo(t *testing.T, path string) (elsewhere string) {
	t.Helper()
	elsewhere = filepath.Join(t.TempDir(), "bashrc")
	if err := testkit.TrySymlink(elsewhere, path); err != nil {
		t.Skip("no links here:", err)
	}
	return elsewhere
}
