//go:build linux || darwin

package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/falcred/falcred/protocol/disk"
)

// A file has one owner at a time, for as long as that has it open.
func TestTryLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	first, err := disk.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	second, err := disk.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := disk.TryLock(first); err != nil {
		t.Fatal(err)
	}
	if err := disk.TryLock(second); !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Errorf("a second owner: %v", err)
	}
	first.Close()
	if err := disk.TryLock(second); err != nil {
		t.Errorf("nobody has it any more: %v", err)
	}
}
