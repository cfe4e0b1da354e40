//go:build system && linux

package daemon

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// program builds falcred as it is in that folder.
func program(t *testing.T, folder string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "falcred")
	testkit.Must(t, testkit.Build(folder, path, "./cmd/falcred"))
	return path
}

// beforeStop is the last version that does not know the verb stop.
const beforeStop = "edb6794"

func earlierProgram(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	archive := exec.Command("git", "archive", beforeStop)
	archive.Dir = ".."
	unpack := exec.Command("tar", "x", "-C", folder)
	var err error
	if unpack.Stdin, err = archive.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := unpack.Start(); err != nil {
		t.Fatal(err)
	}
	if err := archive.Run(); err != nil {
		testkit.Missing(t, "a clone that knows ", beforeStop, ": ", err)
	}
	if err := unpack.Wait(); err != nil {
		t.Fatal(err)
	}
	return program(t, folder)
}

// real is a falcred that is run as people run it.
func (h *house) real(program string, env ...string) *exec.Cmd {
	cmd := exec.Command(program, "run")
	cmd.Env = append(h.Env(), env...)
	return h.process(cmd)
}

// S10: a service ends a daemon that was built before there was a stop.
func TestTakeOverFromTheVersionBefore_S10(t *testing.T) {
	old := earlierProgram(t)
	h := newHouse(t, idp.Config{})
	_, access := h.SignIn("ann")
	other := h.real(old)
	if h.Dial().Secret() != access {
		t.Fatal("the earlier version does not serve")
	}
	h.cfg.TakeOver = true
	h.run()
	if err := other.Wait(); err != nil {
		t.Errorf("it did not end in order: %v", err)
	}
	h.Eventually("this one serves", func() bool { return testkit.Listens(h.Sock) })
	if s := h.Status(); s.PID != os.Getpid() {
		t.Errorf("%d serves", s.PID)
	}
	if h.Dial().Secret() != access {
		t.Error("no login")
	}
}

// S5: the real program, hostile readers on both of its sockets, and a refresh in flight at a
// slow issuer: those who asked before are answered, the token is not lost, and it is
// over in time.
func TestTerminateAmongHostileReaders_S5(t *testing.T) {
	falcred := program(t, "..")
	h := newHouse(t, idp.Config{})
	hold := idp.NewHold()
	h.IDP.Inject(hold.After())
	refresh, _, _ := h.IDP.Login("ann")
	h.WriteFile(refresh)
	share := h.shares()
	cmd := h.real(falcred, "FALCRED_SHARE_SOCKET="+share)
	<-hold.Arrived
	release := time.Now().Add(6 * time.Second) // R7's 7 s are not over then
	good, goodOther := h.Dial(), h.At(share).Dial()
	var hostile sync.WaitGroup
	ends := make(chan string, 200)
	for i := range 200 {
		at := h.House
		if i%2 == 1 {
			at = h.At(share)
		}
		hostile.Go(func() {
			c := at.Dial()
			go func() {
				io.Copy(c.Conn, strings.NewReader(strings.Repeat("status\n", 40_000)))
			}()
			c.Line()
			go func() {
				tick := time.NewTicker(50 * time.Millisecond)
				defer tick.Stop()
				for range tick.C {
					if _, err := c.Read(make([]byte, 1<<10)); err != nil {
						ends <- at.Sock
						return
					}
				}
			}()
		})
	}
	hostile.Wait()
	good.Send("get https://fal.run\n")
	goodOther.Send("get https://fal.run\n")
	h.Eventually("both are waiting", func() bool { return h.Status().Clients >= 1 })
	begun := time.Now()
	cmd.Process.Signal(syscall.SIGTERM)
	time.AfterFunc(time.Until(release), func() { close(hold.Release) })
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		t.Logf("over %v after SIGTERM: %v", time.Since(begun).Round(time.Millisecond), err)
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("alive 20 s after SIGTERM\n%s", h.Logged)
	}
	secret := good.Next()
	if other := goodOther.Next(); other != secret {
		t.Errorf("others are answered %.20q", other)
	}
	data, _ := os.ReadFile(h.File)
	if p, err := tokenfile.Parse(data); err != nil || p.Access != secret || !h.IDP.Alive(p.Refresh) {
		t.Errorf("the refresh in flight was not finished: %v", err)
	}
	if !testkit.Gone(h.Sock) || !testkit.Gone(share) {
		t.Error("a socket was left behind")
	}
}
