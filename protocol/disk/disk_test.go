package disk_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/falcred/falcred/protocol/disk"
)

// What was not opened is no File: a nil *os.File in one would not be nil.
func TestNoFileIsNil(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	if file, err := disk.OpenFile(none, os.O_RDONLY, 0); file != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, %v", file, err)
	}
	if file, err := disk.CreateTemp(none, "x*"); file != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, %v", file, err)
	}
}

// The system's files tell nothing of themselves: whoever wants that has to watch them.
func TestTheSystemsFilesDoNotNotify(t *testing.T) {
	if stop, told := disk.Notify(func(string) {}); told || stop != nil || disk.Simulated() {
		t.Error("a disk is simulated that nobody has put there")
	}
}
