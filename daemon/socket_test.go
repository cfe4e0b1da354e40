//go:build linux || darwin

package daemon

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"golang.org/x/sys/unix"
)

func itoa(n int) string { return strconv.Itoa(n) }

// stale leaves a socket that nobody serves.
func stale(t *testing.T, path string) {
	t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	listener.Close()
	if gone(path) {
		t.Fatal("no stale socket")
	}
}

// S2: nobody ever sees the socket with another mode than 0600.
func TestS2ModeFromTheFirstMoment(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	var stop atomic.Bool
	var looks atomic.Int64
	seen := make(chan os.FileMode, 1)
	watched := make(chan bool)
	go func() {
		defer close(watched)
		for !stop.Load() {
			if info, err := os.Lstat(path); err == nil {
				looks.Add(1)
				if info.Mode().Perm() != 0o600 {
					select {
					case seen <- info.Mode():
					default:
					}
				}
			}
		}
	}()
	// With one processor the two take turns, and it may be rounds before one of
	// them ends while there is a socket.
	begun := time.Now()
	for i := 0; i < 2000 || looks.Load() == 0; i++ {
		listener, err := listenPrivate(path)
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
		if time.Since(begun) > patience {
			t.Fatal("the socket was never seen: nothing is tested")
		}
	}
	stop.Store(true)
	<-watched
	select {
	case mode := <-seen:
		t.Errorf("the socket was seen with mode %v", mode)
	default:
	}
}

// S2: the folder is ours, and nobody else can write it.
func TestS2Folder(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(folder string) error
		want    string
	}{
		"group can write":  {func(f string) error { return os.Chmod(f, 0o770) }, "chmod go-w"},
		"others can write": {func(f string) error { return os.Chmod(f, 0o777|os.ModeSticky) }, "chmod go-w"},
		"missing":          {os.Remove, "mkdir -m 700"},
		"a file":           {func(f string) error { os.Remove(f); return os.WriteFile(f, nil, 0o600) }, "is not a folder"},
		"another user's":   {nil, "belongs to another user"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, idp.Config{})
			folder := shortDir(t)
			if c.prepare == nil {
				folder = theirFolder(t)
			} else if err := c.prepare(folder); err != nil {
				t.Fatal(err)
			}
			h.cfg.Socket = filepath.Join(folder, "s")
			err := Run(context.Background(), h.cfg, h.logger())
			if err == nil {
				t.Fatal("a socket was made there")
			}
			mustContain(t, err.Error(), c.want)
		})
	}
}

// S2: a stale socket is replaced, and ours is removed at the end.
func TestS2Stale(t *testing.T) {
	h := newHouse(t, idp.Config{})
	_, access := h.signIn("ann")
	stale(t, h.sock)
	h.run()
	h.eventually("the stale socket is replaced", func() bool {
		c, err := net.Dial("unix", h.sock)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	if h.dial().secret() != access {
		t.Error("no login")
	}
	info, err := os.Lstat(h.sock)
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("socket: %v, %v", info.Mode(), err)
	}
	h.end()
	if !gone(h.sock) {
		t.Error("the socket was not removed")
	}
}

// S2: what answers, or may be answering, is left alone.
func TestS2Occupied(t *testing.T) {
	t.Run("served", func(t *testing.T) {
		h := newHouse(t, idp.Config{})
		listener, err := net.Listen("unix", h.sock)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		err = Run(context.Background(), h.cfg, h.logger())
		if err == nil {
			t.Fatal("a served socket was taken")
		}
		mustContain(t, err.Error(), "another program serves on "+h.sock)
		if _, err := net.Dial("unix", h.sock); err != nil {
			t.Errorf("the other program lost its socket: %v", err)
		}
	})
	t.Run("queue full", func(t *testing.T) {
		h := newHouse(t, idp.Config{})
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: h.sock}), unix.Listen(fd, 0)); err != nil {
			t.Fatal(err)
		}
		for { // until its queue is full
			c, err := net.Dial("unix", h.sock)
			if err != nil {
				break
			}
			defer c.Close()
		}
		err = Run(context.Background(), h.cfg, h.logger())
		if err == nil {
			t.Fatal("a busy socket was taken")
		}
		mustContain(t, err.Error(), "cannot tell whether")
		if gone(h.sock) {
			t.Error("the busy program lost its socket")
		}
	})
}

// S2: what is no socket is never removed.
func TestS2NotASocket(t *testing.T) {
	for name, create := range map[string]func(path string) error{
		"file":          func(p string) error { return os.WriteFile(p, []byte("precious"), 0o600) },
		"folder":        func(p string) error { return os.Mkdir(p, 0o700) },
		"fifo":          func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"link":          func(p string) error { return os.Symlink("/etc/passwd", p) },
		"dangling link": func(p string) error { return os.Symlink("nowhere", p) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, idp.Config{})
			if err := create(h.sock); err != nil {
				t.Fatal(err)
			}
			before, err := os.Lstat(h.sock)
			if err != nil {
				t.Fatal(err)
			}
			err = Run(context.Background(), h.cfg, h.logger())
			if err == nil {
				t.Fatal("it was taken for a socket")
			}
			mustContain(t, err.Error(), "is not a socket: move it away")
			after, err := os.Lstat(h.sock)
			if err != nil || !os.SameFile(before, after) || before.Size() != after.Size() {
				t.Errorf("it was touched: %v", err)
			}
		})
	}
}

// S2: sun_path is short.
func TestS2TooLong(t *testing.T) {
	h := newHouse(t, idp.Config{})
	h.cfg.Socket = filepath.Join(h.cfg.Home, strings.Repeat("x", 120))
	err := Run(context.Background(), h.cfg, h.logger())
	if err == nil {
		t.Fatal("a path of more bytes than fit was taken")
	}
	mustContain(t, err.Error(), "set FALCRED_SOCKET to a shorter one")
}

// S2: at the end, somebody else's socket stays.
func TestS2RemovesOnlyItsOwn(t *testing.T) {
	h := newHouse(t, idp.Config{})
	h.run()
	h.status()
	if err := os.Remove(h.sock); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", h.sock)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	h.end()
	if _, err := net.Dial("unix", h.sock); err != nil {
		t.Errorf("the other's socket was removed: %v", err)
	}
}

// A daemon that cannot start leaves no socket behind.
func TestRunFailsClean(t *testing.T) {
	h := newHouse(t, idp.Config{})
	if err := os.WriteFile(filepath.Join(h.cfg.Home, memoryFile), []byte(`{"Issuer":"https://other.example"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Run(context.Background(), h.cfg, h.logger()); err == nil {
		t.Fatal("a home of another issuer was served (R13)")
	}
	if !gone(h.sock) {
		t.Error("the socket was left behind")
	}
	os.Remove(filepath.Join(h.cfg.Home, memoryFile))
	h.signIn("ann")
	h.run()
	h.dial().secret() // and the lock is free
}

// S2: an inherited socket is left to systemd, and one whose name is gone, which
// nobody can reach, is replaced by falcred's own.
func TestS2InheritedWithoutAName(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	listen := func() *net.UnixListener {
		t.Helper()
		listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		listener.SetUnlinkOnClose(false)
		return listener
	}
	s, err := inherit(context.Background(), listen())
	if err != nil {
		t.Fatal(err)
	}
	if s.lost() {
		t.Error("a socket with a name counts as lost")
	}
	s.remove()
	if gone(path) {
		t.Fatal("systemd's name was removed")
	}
	os.Remove(path)
	if !s.lost() {
		t.Error("a socket without a name does not count as lost")
	}
	s.close()

	nameless := listen()
	os.Remove(path)
	s, err = inherit(context.Background(), nameless)
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("nobody can reach it: %v", err)
	}
	client.Close()
	s.close()
	if !gone(path) {
		t.Error("its own name was left behind")
	}
}
