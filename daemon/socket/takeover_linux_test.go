package socket

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// S1: where systemd has put its socket in the place of the other daemon's, that one cannot be
// asked: what is written there waits in our own queue. It gets a signal, and we no stop.
func TestS1ActivatedServiceTakesOver(t *testing.T) {
	path := in(t)
	other := start(t, play("daemon", path))
	other.line()
	testkit.Must(t, os.Remove(path))
	cmd := play("activated", path)
	cmd.ExtraFiles = []*os.File{handOver(t, listen(t, path))}
	activated := start(t, cmd)
	testkit.WantText(t, activated.line(), path)
	if said := other.ends(); strings.Contains(said, "asked to stop") {
		t.Error("somebody was asked by the socket")
	}
	reachable(t, path)
	activated.Process.Signal(syscall.SIGTERM)
	if said := activated.ends(); strings.Contains(said, "asked to stop") {
		t.Error("it was asked by its own socket")
	}
}

// The number in the lock file can be anybody's: only who holds the lock is signalled, and
// once.
func TestS1TakeOverSparesStrangers(t *testing.T) {
	path := in(t)
	other := start(t, play("daemon", path))
	other.line()
	lock := path + ".lock"
	stranger := exec.Command("cat")
	in, err := stranger.StdinPipe()
	testkit.Must(t, err)
	testkit.Must(t, stranger.Start())
	testkit.Must(t, os.WriteFile(lock, []byte(itoa(stranger.Process.Pid)+"\n"), 0o600))
	holder := other.Process.Pid
	testkit.WantText(t, LockHolder(lock), "process "+itoa(holder)+" (")
	if pid, err := endHolder(lock, 0, holder); pid != 0 || err != nil {
		t.Errorf("signalled again: %d, %v", pid, err)
	}
	if pid, err := endHolder(lock, 0, 0); pid != holder || err != nil {
		t.Errorf("signalled %d, %v; the holder is %d", pid, err, holder)
	}
	other.ends()
	if pid, err := endHolder(lock, 0, 0); pid != 0 || err != nil {
		t.Errorf("nobody holds it, and %d was signalled: %v", pid, err)
	}
	if got := LockHolder(lock); got != "another process: lsof "+lock {
		t.Errorf("nobody holds it, and it is said to be %s", got)
	}
	in.Close()
	if err := stranger.Wait(); err != nil {
		t.Errorf("a stranger was ended: %v", err)
	}
}

// S10: a daemon that takes its time is signalled once, however often it is looked at: a
// second signal would end it in the middle of a refresh.
func TestTakeOverSignalsOnce_S10(t *testing.T) {
	path := in(t)
	other := start(t, play("daemon", path))
	other.line()
	other.Process.Signal(syscall.SIGSTOP) // it takes its time
	holder := other.Process.Pid
	attempt := &takeOver{path: path, ours: true, signalled: os.Getpid()}
	for range 3 {
		testkit.Must(t, attempt.ask(t.Context()))
	}
	if attempt.signalled != holder {
		t.Errorf("signalled was %d; the holder is %d", attempt.signalled, holder)
	}
	other.Process.Signal(syscall.SIGCONT)
	other.ends()
}
