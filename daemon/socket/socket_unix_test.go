//go:build linux || darwin

package socket

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/strict"
	"golang.org/x/sys/unix"
)

// S2: nobody ever sees the socket with another mode than 0600.
func TestS2ModeFromTheFirstMoment(t *testing.T) {
	path := in(t)
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
		if time.Since(begun) > testkit.Patience {
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
			folder := testkit.ShortDir(t)
			if c.prepare == nil {
				folder = testkit.TheirFolder(t)
			} else {
				testkit.Must(t, c.prepare(folder))
			}
			refused(t, Options{Path: filepath.Join(folder, "s")}, c.want)
			if s, err := OpenShared(filepath.Join(folder, "s"), nil); err == nil {
				s.Close()
				t.Error("a socket for others was made there")
			}
		})
	}
}

// S2, F6: nor can anybody put another one in the folder's place.
func TestS2FolderAbove_F6(t *testing.T) {
	above := t.TempDir()
	home := filepath.Join(above, "home")
	testkit.Must(t, os.Mkdir(home, 0o700))
	testkit.Must(t, os.Chmod(above, 0o777))
	if err := checkFolder(home); err == nil || !strings.Contains(err.Error(), above+" can be written by others") {
		t.Errorf("%v", err)
	}
}

// S2: sun_path is short.
func TestS2TooLong(t *testing.T) {
	refused(t, Options{Path: filepath.Join(testkit.ShortDir(t), strings.Repeat("x", 120))}, "set FALCRED_SOCKET to a shorter one")
}

// S7, S2: the mode of the socket for others lets in who may come, and only its owner's
// user where nobody else may.
func TestS7Mode(t *testing.T) {
	for mode, uids := range map[os.FileMode][]int{0o600: nil, 0o666: {12345}} {
		path := in(t)
		s, err := OpenShared(path, uids)
		testkit.Must(t, err)
		if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("its mode is %v, want %v", info.Mode(), mode)
		}
		s.Close()
		if !testkit.Gone(path) {
			t.Error("it is left behind")
		}
	}
}

// S1: one `falcred follow` keeps a home, and the second says which.
func TestS1OneFollows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "falcred.follow")
	first, err := ClaimFollow(path)
	testkit.Must(t, err)
	if _, err := ClaimFollow(path); err == nil {
		t.Error("two of them keep one home")
	} else {
		testkit.WantText(t, err.Error(), "another falcred follow (pid "+itoa(os.Getpid())+") keeps "+filepath.Dir(path))
	}
	first.Close()
	again, err := ClaimFollow(path)
	testkit.Must(t, err)
	again.Close()
}

// F6: a lock file follows no link, whoever made it: that is set aside.
func TestLockFollowsNoLink_F6(t *testing.T) {
	const theirs = "a file of theirs"
	for name, use := range map[string]func(home string) error{
		"falcred.sock.lock":   func(home string) error { return closed(claim(filepath.Join(home, "falcred.sock"))) },
		"falcred.follow.lock": func(home string) error { return closed(ClaimFollow(filepath.Join(home, "falcred.follow"))) },
	} {
		for _, there := range []bool{true, false} {
			home, target := t.TempDir(), filepath.Join(t.TempDir(), "target")
			if there {
				testkit.Must(t, os.WriteFile(target, []byte(theirs), 0o644))
			}
			path := filepath.Join(home, name)
			testkit.Must(t, os.Symlink(target, path))
			if err := use(home); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if aside := strict.Aside(filepath.Dir(path)); len(aside) != 1 {
				t.Errorf("%s: set aside: %v", name, aside)
			}
			info, err := os.Stat(target)
			if !there && err == nil {
				t.Errorf("%s: the link's target was made", name)
			} else if there && (info.Size() != int64(len(theirs)) || info.Mode().Perm() != 0o644) {
				t.Errorf("%s: the link's target was changed", name)
			}
		}
	}
}

func closed(lock io.Closer, err error) error {
	if err == nil {
		lock.Close()
	}
	return err
}

// systemsOwn are things that are no sockets, and that not every system has.
var systemsOwn = map[string]func(path string) error{
	"fifo":          func(p string) error { return syscall.Mkfifo(p, 0o600) },
	"link":          func(p string) error { return os.Symlink("/etc/passwd", p) },
	"dangling link": func(p string) error { return os.Symlink("nowhere", p) },
}

func wantPrivate(t *testing.T, path string) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("socket: %v, %v", info.Mode(), err)
	}
}

// listenBusily has a queue of one at most, which nobody takes connections from.
func listenBusily(t *testing.T, path string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	testkit.Must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	testkit.Must(t, errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 0)))
}
