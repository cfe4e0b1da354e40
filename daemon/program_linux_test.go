package daemon

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func TestProgramIsUnmapped(t *testing.T) {
	before := mappedFiles(t)
	unmapProgram()
	if after := mappedFiles(t); after > before*3/4 {
		t.Errorf("%d KB of files were mapped, and then %d", before, after)
	}
}

// What a loader has written to, and made read-only then, is in no file.
func TestWhatWasWrittenStaysMapped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "library")
	if err := os.WriteFile(path, make([]byte, 3*os.Getpagesize()), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	mapped, err := unix.Mmap(int(file.Fd()), 0, 3*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mapped)
	mapped[os.Getpagesize()] = 1
	if err := unix.Mprotect(mapped, unix.PROT_READ); err != nil {
		t.Fatal(err)
	}
	unmapProgram()
	if mapped[os.Getpagesize()] != 1 {
		t.Error("it was let go of")
	}
}

// mappedFiles is in KB.
func mappedFiles(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^RssFile:\s+(\d+) kB$`).FindSubmatch(status)
	if m == nil {
		t.Fatal("no RssFile in proc_pid_status(5)")
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
