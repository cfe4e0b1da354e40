//go:build system && linux

package daemon

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"golang.org/x/sys/unix"
)

func init() {
	roles["squatter"] = playSquatter
	roles["flocker"] = playFlocker
}

// playSquatter listens where falcred should, and prints what it is sent.
func playSquatter() error {
	listener, err := net.Listen("unix", os.Getenv("FALCRED_TEST_SOCKET"))
	if err != nil {
		return err
	}
	fmt.Println("listening")
	for {
		c, err := listener.Accept()
		if err != nil {
			return err
		}
		io.Copy(os.Stdout, c)
		c.Close()
	}
}

// playFlocker holds a lock until its standard input ends.
func playFlocker() error {
	file, err := os.OpenFile(os.Getenv("FALCRED_TEST_FILE"), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	fmt.Println("locked")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// starts runs a role, and waits for the line that says that it is at work.
func (h *house) starts(cmd *exec.Cmd, line string) (stdin io.Closer, stdout io.Reader) {
	h.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		h.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		h.Fatal(err)
	}
	h.process(cmd)
	got := make([]byte, len(line)+1)
	if _, err := io.ReadFull(out, got); err != nil || string(got) != line+"\n" {
		h.Fatalf("%q, %v", got, err)
	}
	return in, out
}

// program builds falcred as it is in that folder.
func program(t *testing.T, folder string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "falcred")
	build := exec.Command("go", "build", "-o", path, "./cmd/falcred")
	build.Dir = folder
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
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
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("this clone does not know %s: %v", beforeStop, err)
	}
	if err := unpack.Wait(); err != nil {
		t.Fatal(err)
	}
	return program(t, folder)
}

// real is a falcred that is run as people run it.
func (h *house) real(program string, env ...string) *exec.Cmd {
	cmd := exec.Command(program, "run")
	cmd.Env = append([]string{"FAL_HOME_DIR=" + h.cfg.Home, "HOME=" + h.cfg.Home, "PATH=" + os.Getenv("PATH"),
		"FALCRED_ISSUER=" + h.cfg.Issuer, "FALCRED_CLIENT_ID=" + h.cfg.ClientID}, env...)
	return h.process(cmd)
}

// S10: a service ends a daemon that was built before there was a stop.
func TestTakeOverFromTheVersionBefore_S10(t *testing.T) {
	old := earlierProgram(t)
	h := newHouse(t, idp.Config{})
	_, access := h.signIn("ann")
	other := h.real(old)
	if h.dial().secret() != access {
		t.Fatal("the earlier version does not serve")
	}
	h.cfg.TakeOver = true
	h.run()
	if err := other.Wait(); err != nil {
		t.Errorf("it did not end in order: %v", err)
	}
	h.eventually("this one serves", func() bool {
		c, err := net.Dial("unix", h.sock)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	if s := h.status(); s.PID != os.Getpid() {
		t.Errorf("%d serves", s.PID)
	}
	if h.dial().secret() != access {
		t.Error("no login")
	}
}

// S10: a daemon that is stopped is named, after a bound.
func TestTakeOverFromAStoppedDaemon_S10(t *testing.T) {
	h := newHouse(t, idp.Config{})
	h.signIn("ann")
	other := h.process(play("daemon"))
	h.dial().secret()
	other.Process.Signal(syscall.SIGSTOP)
	h.cfg.TakeOver = true
	begun := time.Now()
	err := Run(context.Background(), h.cfg, h.logger())
	if err == nil {
		t.Fatal("its lock was taken")
	}
	if took := time.Since(begun); took > takeOverLimit+patience {
		t.Errorf("it took %v", took)
	}
	mustContain(t, err.Error(), "(pid "+itoa(other.Process.Pid)+")")
	mustContain(t, err.Error(), "kill -9 "+itoa(other.Process.Pid))
}

// S3, S10: nothing is ever sent to another user's process that listens on the path.
func TestTakeOverSendsStrangersNothing_S10(t *testing.T) {
	if os.Getuid() != 0 {
		needRoot(t)
	}
	h := newHouse(t, idp.Config{})
	h.signIn("ann")
	lock, err := claim(h.sock) // somebody of ours holds it, and does not listen
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	os.Chmod(h.cfg.Home, 0o777)
	cmd := as(12345, copyBinary(t), "squatter", "FALCRED_TEST_SOCKET="+h.sock)
	_, heard := h.starts(cmd, "listening")
	os.Chmod(h.cfg.Home, 0o700)
	_, err = claimFrom(context.Background(), h.sock, false)
	if err == nil {
		t.Fatal("the lock was got")
	}
	mustContain(t, err.Error(), "belongs to user 12345")
	cmd.Process.Kill()
	if sent, _ := io.ReadAll(heard); len(sent) > 0 {
		t.Errorf("it was sent %q", sent)
	}
}

// G14: a file of the same inode number on another file system, locked by somebody else,
// confuses nobody.
func TestTakeOverDespiteADecoy_S10(t *testing.T) {
	if os.Getuid() != 0 {
		needRoot(t)
	}
	binary := copyBinary(t)
	h := newHouse(t, idp.Config{})
	mountMemory(t, h.cfg.Home)
	elsewhere := shortDir(t)
	mountMemory(t, elsewhere)
	os.Chmod(elsewhere, 0o777)
	h.signIn("ann")
	listener := h.process(play("daemon"))
	h.dial().secret()
	wanted := inodeOf(t, h.sock+".lock")
	decoy := filepath.Join(elsewhere, "decoy")
	for inode := uint64(0); inode != wanted; {
		os.Remove(decoy)
		if err := os.WriteFile(decoy, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		if inode = inodeOf(t, decoy); inode > wanted {
			t.Fatalf("inode %d is past %d", inode, wanted)
		}
	}
	os.Chmod(decoy, 0o666)
	h.starts(as(12345, binary, "flocker", "FALCRED_TEST_FILE="+decoy), "locked")
	if got := lockHolder(h.sock + ".lock"); got != listener.Process.Pid {
		t.Errorf("the lock is said to be %d's, and is %d's", got, listener.Process.Pid)
	}
	// So that it can only be found by its lock.
	if err := os.Remove(h.sock); err != nil {
		t.Fatal(err)
	}
	lock, err := claimFrom(context.Background(), h.sock, true)
	if err != nil {
		t.Fatal(err)
	}
	lock.Close()
}

func mountMemory(t *testing.T, folder string) {
	t.Helper()
	if err := unix.Mount("falcred", folder, "tmpfs", 0, "mode=700"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("no mount here: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(folder, unix.MNT_DETACH) })
}

func inodeOf(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

// S5: the real program, hostile readers on both of its sockets, and a refresh in flight at a
// slow issuer: those who asked before are answered, the token is not lost, and it is
// over in time.
func TestTerminateAmongHostileReaders_S5(t *testing.T) {
	falcred := program(t, "..")
	h := newHouse(t, idp.Config{})
	hold := idp.NewHold()
	h.idp.Inject(hold.After())
	refresh, _, _ := h.idp.Login("ann")
	h.write(refresh)
	share := h.shares()
	cmd := h.real(falcred, "FALCRED_SHARE_SOCKET="+share)
	<-hold.Arrived
	good, goodOther := h.dial(), h.at(share).dial()
	var hostile sync.WaitGroup
	ends := make(chan string, 200)
	for i := range 200 {
		at := h
		if i%2 == 1 {
			at = h.at(share)
		}
		hostile.Go(func() {
			c := at.dial()
			go func() {
				io.Copy(c.UnixConn, strings.NewReader(strings.Repeat("status\n", 40_000)))
			}()
			c.line()
			go func() {
				tick := time.NewTicker(50 * time.Millisecond)
				defer tick.Stop()
				for range tick.C {
					if _, err := c.Read(make([]byte, 1<<10)); err != nil {
						ends <- at.sock
						return
					}
				}
			}()
		})
	}
	hostile.Wait()
	good.send("get https://fal.run\n")
	goodOther.send("get https://fal.run\n")
	h.eventually("both are waiting", func() bool { return h.status().Clients >= 1 })
	begun := time.Now()
	cmd.Process.Signal(syscall.SIGTERM)
	time.AfterFunc(6*time.Second, func() { close(hold.Release) }) // R7's 7 s are not over
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		t.Logf("over %v after SIGTERM: %v", time.Since(begun).Round(time.Millisecond), err)
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("alive 20 s after SIGTERM\n%s", h.log)
	}
	secret := good.next()
	if other := goodOther.next(); other != secret {
		t.Errorf("others are answered %.20q", other)
	}
	data, _ := os.ReadFile(h.file)
	if p, err := parsePair(data); err != nil || p.access != secret || !h.idp.Alive(p.refresh) {
		t.Errorf("the refresh in flight was not finished: %v", err)
	}
	if !gone(h.sock) || !gone(share) {
		t.Error("a socket was left behind")
	}
}
