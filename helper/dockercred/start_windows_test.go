package dockercred

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
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
