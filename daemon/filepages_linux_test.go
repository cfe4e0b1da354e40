package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func init() { roles["rest"] = playRest }

// playRest prints how many KB of files are mapped after a start, when memory has been
// given back, and when it is given back once more without a refresh in between.
func playRest() error {
	if err := Harden(); err != nil {
		return err
	}
	var l Login
	for _, giveBack := range []func(){func() {}, func() { l.giveBack(-1) }, func() { l.giveBack(0) }} {
		giveBack()
		mapped, err := mappedFiles()
		if err != nil {
			return err
		}
		fmt.Println(mapped)
	}
	return nil
}

// The look that the daemon takes at itself is allowed to it (S4), whoever runs it.
func TestFilePagesAreDropped_S4(t *testing.T) {
	cmd := play("rest")
	if os.Getuid() == 0 {
		cmd = as(12345, copyBinary(t), "rest")
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var start, rest, later int
	if _, err := fmt.Sscan(string(out), &start, &rest, &later); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// A touch maps 64 KiB again, or 2 MiB where a file was written all at once.
	if rest > start*3/4 || later < rest {
		t.Errorf("%d KB of files were mapped, at rest %d, and then %d", start, rest, later)
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
	dropFilePages()
	if mapped[os.Getpagesize()] != 1 {
		t.Error("it was let go of")
	}
}

// mappedFiles is in KB.
func mappedFiles() (int, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`(?m)^RssFile:\s+(\d+) kB$`).FindSubmatch(status)
	if m == nil {
		return 0, fmt.Errorf("no RssFile in %s", status)
	}
	return strconv.Atoi(string(m[1]))
}
