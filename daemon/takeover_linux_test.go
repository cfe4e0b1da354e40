package daemon

import (
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
)

// S1: a service asks the daemon that holds its socket's lock to end.
func TestS1ServiceTakesOver(t *testing.T) {
	h := newHouse(t, idp.Config{})
	_, access := h.signIn("ann")
	other := h.process(play("daemon"))
	h.dial().secret()
	h.cfg.TakeOver = true
	ready := make(chan string, 1)
	h.cfg.Ready = func(socket string) { ready <- socket }
	h.run()
	if got := <-ready; got != h.sock {
		t.Errorf("ready on %s", got)
	}
	if h.dial().secret() != access {
		t.Error("no login")
	}
	if err := other.Wait(); err != nil {
		t.Errorf("the other daemon did not end in order: %v", err)
	}
}

// The number in the lock file can be anybody's: only who holds the lock is asked.
func TestS1TakeOverSparesStrangers(t *testing.T) {
	h := newHouse(t, idp.Config{})
	lock, err := claim(h.sock)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	stranger := exec.Command("cat")
	in, err := stranger.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	if got := lockHolder(lock.Path()); got != os.Getpid() {
		t.Fatalf("the lock is said to be %d's", got)
	}
	if err := os.WriteFile(lock.Path(), []byte(strconv.Itoa(stranger.Process.Pid)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	endHolder(lock.Path(), stranger.Process.Pid)
	in.Close()
	if err := stranger.Wait(); err != nil {
		t.Errorf("a stranger was ended: %v", err)
	}
}
