package dockercred

import (
	"debug/pe"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/disk"
)

// That the runs of all tests end shows one more thing: no daemon holds the pipe of its starter's
// standard output.
func TestADaemonStartedOnDemandIsDetached_Section3_S8(t *testing.T) {
	h := newHouse(t)
	if got := h.run(t, "token"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	s := h.starts(t)[0]
	if s.Console {
		t.Error("it has a console")
	}
	if want := filepath.VolumeName(daemonBin) + `\`; s.Dir != want || !slices.Equal(s.Args, []string{daemonBin, "run"}) {
		t.Errorf("folder %s, %q", s.Dir, s.Args)
	}
}

// What a script has open and lets its programs inherit, as a lock, no daemon holds.
func TestADaemonStartedOnDemandInheritsNothing_S8(t *testing.T) {
	h := newHouse(t)
	path := filepath.Join(h.record, "lock")
	file, err := os.Create(path)
	testkit.Must(t, err)
	defer file.Close()
	inherit := func(cmd *exec.Cmd) {
		handle := syscall.Handle(file.Fd())
		testkit.Must(t, syscall.SetHandleInformation(handle, syscall.HANDLE_FLAG_INHERIT, syscall.HANDLE_FLAG_INHERIT))
		cmd.SysProcAttr = &syscall.SysProcAttr{AdditionalInheritedHandles: []syscall.Handle{handle}}
	}
	if got := h.runWith(t, inherit, "token"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	testkit.Must(t, file.Close())
	if err := os.Remove(path); err != nil { // of an open file this is refused
		t.Errorf("the daemon has it open: %v", err)
	}
	if n := len(h.starts(t)); n != 1 {
		t.Errorf("%d starts", n)
	}
}

// S3, S8: a stranger who serves by the name that a daemon of ours has left is not running, and
// another is started; where others can write the folder, so that the address may be his, he is
// refused.
func TestTheNameOfADeadDaemonIsTaken_S3_S8(t *testing.T) {
	for name, c := range map[string]struct {
		mode   os.FileMode
		starts int // the stranger's own too
		want   string
	}{
		"in a folder of ours":      {0o700, 2, ""},
		"in a folder of everybody": {0o777, 1, "denied"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			stranger := exec.Command(daemonBin, "run")
			stranger.Env = h.env
			testkit.Start(t, testkit.As(t, testkit.Stranger, stranger))
			testkit.Eventually(t, "the stranger listens", func() bool { return !testkit.Gone(filepath.Join(h.record, "ready")) })
			testkit.Must(t, disk.Chmod(h.home, c.mode))
			got := h.run(t, "token")
			answered := strings.HasPrefix(got.out, "pid-") && got.out != fmt.Sprintf("pid-%d\n", stranger.Process.Pid)
			if n := len(h.starts(t)); n != c.starts || answered != (c.want == "") || !strings.Contains(got.err, c.want) {
				t.Errorf("%+v, %d starts", got, n)
			}
		})
	}
}

// No DLL that lies beside the program is loaded with it: it is linked to a KnownDLL alone, and what
// Go's libraries load later is from the system's folder.
func TestNoLibraryBesideTheProgram_S8(t *testing.T) {
	program, err := pe.Open(bin)
	testkit.Must(t, err)
	defer program.Close()
	symbols, err := program.ImportedSymbols()
	if err != nil || len(symbols) == 0 {
		t.Errorf("%d symbols: %v", len(symbols), err)
	}
	for _, symbol := range symbols {
		if !strings.HasSuffix(symbol, ":kernel32.dll") {
			t.Errorf("it is linked to %s", symbol)
		}
	}
}
