//go:build system && linux

package socket

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/testkit"
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

// S10: a daemon that is stopped is named, after a bound.
func TestTakeOverFromAStoppedDaemon_S10(t *testing.T) {
	path := in(t)
	other := start(t, play("daemon", path))
	other.line()
	other.Process.Signal(syscall.SIGSTOP)
	other.stuck.Stop() // what takes long is the test
	begun := time.Now()
	_, err := Open(context.Background(), Options{Path: path, TakeOver: true})
	if err == nil {
		t.Fatal("its lock was taken")
	}
	if took := time.Since(begun); took > takeOverLimit+20*time.Second {
		t.Errorf("it took %v", took)
	}
	testkit.WantText(t, err.Error(), "(pid "+itoa(other.Process.Pid)+")")
	testkit.WantText(t, err.Error(), "kill -9 "+itoa(other.Process.Pid))
}

// S3, S10: nothing is ever sent to another user's process that listens on the path.
func TestTakeOverSendsStrangersNothing_S10(t *testing.T) {
	testkit.NeedRoot(t)
	path := in(t)
	lock, err := claim(path) // somebody of ours holds it, and does not listen
	testkit.Must(t, err)
	defer lock.Close()
	os.Chmod(filepath.Dir(path), 0o777)
	squatter := start(t, testkit.As(12345, testkit.CopyBinary(t), play("squatter", path)))
	if got := squatter.line(); got != "listening" {
		t.Fatal(got)
	}
	os.Chmod(filepath.Dir(path), 0o700)
	_, err = claimFrom(context.Background(), path, false)
	if err == nil {
		t.Fatal("the lock was got")
	}
	testkit.WantText(t, err.Error(), "belongs to user 12345")
	squatter.Process.Kill()
	if sent, _ := io.ReadAll(squatter.out); len(sent) > 0 {
		t.Errorf("it was sent %q", sent)
	}
}

// F1, S10: a file of the same inode number on another file system, locked by somebody else,
// confuses nobody.
func TestTakeOverDespiteADecoy_S10(t *testing.T) {
	testkit.NeedRoot(t)
	path, elsewhere := in(t), testkit.ShortDir(t)
	mountMemory(t, filepath.Dir(path))
	mountMemory(t, elsewhere)
	testkit.Must(t, os.Chmod(elsewhere, 0o777))
	other := start(t, play("daemon", path))
	other.line()
	wanted := inodeOf(t, path+".lock")
	decoy := filepath.Join(elsewhere, "decoy")
	for inode := uint64(0); inode != wanted; {
		os.Remove(decoy)
		testkit.Must(t, os.WriteFile(decoy, nil, 0o666))
		if inode = inodeOf(t, decoy); inode > wanted {
			t.Fatalf("inode %d is past %d", inode, wanted)
		}
	}
	testkit.Must(t, os.Chmod(decoy, 0o666))
	flocker := testkit.As(12345, testkit.CopyBinary(t), play("flocker", path, "FALCRED_TEST_FILE="+decoy))
	held, err := flocker.StdinPipe()
	testkit.Must(t, err)
	defer held.Close()
	if got := start(t, flocker).line(); got != "locked" {
		t.Fatal(got)
	}
	if got, _, _ := fsx.LockHolder(path + ".lock"); got != other.Process.Pid {
		t.Errorf("the lock is said to be %d's, and is %d's", got, other.Process.Pid)
	}
	// So that it can only be found by its lock.
	testkit.Must(t, os.Remove(path))
	lock, err := claimFrom(context.Background(), path, true)
	testkit.Must(t, err)
	lock.Close()
	other.ends()
}

func mountMemory(t *testing.T, folder string) {
	t.Helper()
	if err := unix.Mount("falcred", folder, "tmpfs", 0, "mode=700"); err != nil {
		testkit.Missing(t, "mounts: ", err)
	}
	t.Cleanup(func() { unix.Unmount(folder, unix.MNT_DETACH) })
}

func inodeOf(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Stat(path)
	testkit.Must(t, err)
	return info.Sys().(*syscall.Stat_t).Ino
}
