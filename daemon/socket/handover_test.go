//go:build linux || darwin

package socket

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/disk"
	"golang.org/x/sys/unix"
)

// handed is a socket, and what another process would make of its descriptors.
func handed(t *testing.T) (old, fresh *Socket) {
	t.Helper()
	old = open(t, Options{Path: in(t)})
	files, err := old.Descriptors()
	testkit.Must(t, err)
	fresh, err = Handed(files)
	testkit.Must(t, err)
	t.Cleanup(func() { fresh.Close() })
	return old, fresh
}

// S9: the lock is never free while a socket is handed over, and who waits in the queue is
// accepted by the next one.
func TestHandedOver_S9(t *testing.T) {
	old, fresh := handed(t)
	waiting, err := testkit.Dial(old.Path())
	testkit.Must(t, err)
	defer waiting.Close()
	locked := func(when string) {
		t.Helper()
		if lock, err := claim(old.Path()); err == nil {
			lock.Close()
			t.Errorf("%s: the lock is free", when)
		}
	}
	locked("at first")
	old.Leave(true)
	old.Remove()
	old.Close()
	locked("when the old one has ended")
	testkit.Must(t, fresh.Own())
	locked("when it is the new one's")
	if fresh.Lost() {
		t.Error("its name is gone")
	}
	fresh.Listener().SetDeadline(time.Now().Add(testkit.Patience))
	c, err := fresh.Listener().AcceptUnix()
	testkit.Must(t, err)
	io.WriteString(c, "hello")
	c.Close()
	if text, err := io.ReadAll(waiting); err != nil || string(text) != "hello" {
		t.Errorf("who waited got %q, %v", text, err)
	}
	fresh.Close()
	if _, err := os.Lstat(old.Path()); err == nil {
		t.Error("the new one left its name behind")
	}
	lock, err := claim(old.Path())
	testkit.Must(t, err)
	lock.Close()
}

// S9: where the next one is gone, the socket is the old one's as before; and its end, when it
// has not got the socket, takes nothing away.
func TestTakenBack_S9(t *testing.T) {
	old, fresh := handed(t)
	old.Leave(true)
	fresh.Close()
	if lock, err := claim(old.Path()); err == nil {
		lock.Close()
		t.Error("the lock is free")
	}
	if old.Lost() {
		t.Error("the name is gone")
	}
	old.Leave(false)
	old.Close()
	if _, err := os.Lstat(old.Path()); err == nil {
		t.Error("the name was left")
	}
	lock, err := claim(old.Path())
	testkit.Must(t, err)
	lock.Close()
}

// S9: a listener whose descriptor a process is started with does not block: its owner would
// wait in accept for ever.
func TestDescriptorsDoNotBlock_S9(t *testing.T) {
	s := open(t, Options{Path: in(t)})
	files, err := s.Descriptors()
	testkit.Must(t, err)
	defer closeFiles(files)
	fd := files[0].Fd() // as os.StartProcess asks
	if flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Errorf("flags %#x, %v", flags, err)
	}
	for _, file := range files {
		if flags, err := unix.FcntlInt(file.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("every child would have it: %#x, %v", flags, err)
		}
	}
}

// S9, S1: what is no socket, or not the lock of its path, is not taken.
func TestHandedIsLookedAt_S9(t *testing.T) {
	for name, change := range map[string]func(files *[2]*os.File, path string) error{
		"another lock": func(files *[2]*os.File, path string) (err error) {
			files[1].Close()
			files[1], err = os.Create(path + ".other")
			return err
		},
		"a lock file made anew": func(_ *[2]*os.File, path string) error {
			return os.WriteFile(path+".lock2", nil, 0o600)
		},
		"no socket": func(files *[2]*os.File, path string) (err error) {
			files[0].Close()
			files[0], err = os.Create(path + ".other")
			return err
		},
	} {
		path := in(t)
		s := open(t, Options{Path: path})
		files, err := s.Descriptors()
		testkit.Must(t, err)
		testkit.Must(t, change(&files, path))
		if strings.HasPrefix(name, "a lock") {
			testkit.Must(t, disk.Rename(path+".lock2", path+".lock"))
		}
		if got, err := Handed(files); err == nil {
			got.Close()
			t.Errorf("%s: it was taken", name)
		}
	}
}
