package socket

import (
	"os"
	"testing"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/testkit"
)

// S9, S10: after a handover the kernel names the new process to a service that wants the lock,
// and to who connects.
func TestKernelNamesTheNewProcess_S9(t *testing.T) {
	s := open(t, Options{Path: in(t)})
	files, err := s.Descriptors()
	testkit.Must(t, err)
	defer closeFiles(files)
	cmd := testkit.Role("heir")
	cmd.ExtraFiles = files[:]
	wanted, err := cmd.StdinPipe()
	testkit.Must(t, err)
	out, err := cmd.StdoutPipe()
	testkit.Must(t, err)
	cmd.Stderr = os.Stderr
	testkit.Must(t, cmd.Start())
	if n, err := out.Read(make([]byte, 1)); n != 1 {
		t.Fatal("the new one does not say that it has the socket: ", err)
	}
	if pid, _, _ := fsx.LockHolder(s.Path() + ".lock"); pid != cmd.Process.Pid {
		t.Errorf("process %d has the lock, not %d", pid, cmd.Process.Pid)
	}
	c, err := dial(t.Context(), s.Path())
	testkit.Must(t, err)
	defer c.Close()
	if pid := PeerPID(c); pid != cmd.Process.Pid {
		t.Errorf("process %d is at the other end, not %d", pid, cmd.Process.Pid)
	}
	wanted.Close()
	testkit.Must(t, cmd.Wait())
	s.Leave(true)
}
