//go:build linux || darwin || windows

package disk_test

import (
	"errors"
	"os"
	"os/exec"
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
	if _, err := first.Write([]byte("1234\n")); err != nil {
		t.Error(err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "1234\n" {
		t.Errorf("a lock keeps a reader out: %q, %v", data, err)
	}
	first.Close()
	if err := disk.TryLock(second); err != nil {
		t.Errorf("nobody has it any more: %v", err)
	}
}

// A lock is given back before its file is closed, and by the end of its process.
func TestUnlock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	open := func() disk.File {
		file, err := disk.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		return file
	}
	if os.Getenv("DISK_TEST_LOCK") != "" {
		path = os.Getenv("DISK_TEST_LOCK")
		if err := disk.TryLock(open()); err != nil {
			t.Fatal(err)
		}
		os.Exit(0)
	}
	first := open()
	if err := disk.TryLock(first); err != nil {
		t.Fatal(err)
	}
	disk.Unlock(first)
	cmd := exec.Command(os.Args[0], "-test.run=^TestUnlock$")
	cmd.Env = append(os.Environ(), "DISK_TEST_LOCK="+path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the other process: %v\n%s", err, out)
	}
	if err := disk.TryLock(open()); err != nil {
		t.Errorf("nobody has it any more: %v", err)
	}
}
