package daemon

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func init() { roles["rest"] = playRest }

// playRest prints how many KB of its program are mapped, and how many when memory has
// been given back.
func playRest() error {
	if err := Harden(); err != nil {
		return err
	}
	before, err := mappedProgram()
	if err != nil {
		return err
	}
	new(Login).giveBack(-1)
	after, err := mappedProgram()
	fmt.Println(before, after)
	return err
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
	var start, rest int
	if _, err := fmt.Sscan(string(out), &start, &rest); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if rest > start*3/4 { // a touch maps 64 KiB again
		t.Errorf("%d KB of the program were mapped, and at rest %d", start, rest)
	}
}

// What a loader has written to, and made read-only then, is in no file.
func TestWhatWasWrittenStaysMapped(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	page := os.Getpagesize()
	mapped, err := unix.Mmap(int(file.Fd()), 0, 3*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mapped)
	mapped[page]++
	want := mapped[page]
	if err := unix.Mprotect(mapped, unix.PROT_READ); err != nil {
		t.Fatal(err)
	}
	dropFilePages()
	if mapped[page] != want {
		t.Error("it was let go of")
	}
}

func TestParseMappings(t *testing.T) {
	const smaps = `00400000-00856000 r-xp 00000000 fe:00 9977893    /usr/bin/falcred (deleted)
Size:               4440 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd ex mr mw me
00856000-00ce7000 r--p 00456000 fe:00 9977893    /usr/bin/falcred (deleted)
Anonymous:             0 kB
Swap:                  4 kB
VmFlags: rd mr mw me
00ce7000-00d47000 rw-p 008e7000 fe:00 9977893    /usr/bin/falcred (deleted)
Anonymous:            72 kB
Swap:                  0 kB
00d47000-02d8b000 ---p 00000000 00:00 0
Anonymous:             0 kB
`
	const program = "fe:00 9977893"
	want := []mapping{
		{from: 0x400000, to: 0x856000, file: program, ofFile: true, clean: true},
		{from: 0x856000, to: 0xce7000, file: program, ofFile: true},
		{from: 0xce7000, to: 0xd47000, file: program, ofFile: true, writable: true},
		{from: 0xd47000, to: 0x2d8b000, file: "00:00 0"},
	}
	if got := parseMappings(smaps); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

// mappedProgram is in KB.
func mappedProgram() (kb int, err error) {
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	found := regexp.MustCompile(`(?m)^\S+ \S+ \S+ \S+ \S+ +`+regexp.QuoteMeta(self)+`\n(?:Size|KernelPageSize|MMUPageSize): .*\n(?:.*Size: .*\n)*Rss: +(\d+) kB$`).FindAllSubmatch(smaps, -1)
	if len(found) == 0 {
		return 0, fmt.Errorf("no mapping of %s", self)
	}
	for _, m := range found {
		n, err := strconv.Atoi(string(m[1]))
		if err != nil {
			return 0, err
		}
		kb += n
	}
	return kb, nil
}
