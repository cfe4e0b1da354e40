package helper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/helper/internal/testdaemon"
	"github.com/falcred/falcred/protocol"
)

// Linux refuses a connection at once while the daemon's queue is full; elsewhere
// connect blocks by itself.
func TestAFullQueueIsWaitedFor_S6(t *testing.T) {
	f := fullQueue(t)
	short, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := connect(short, f.Name(), waits.connect); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a full queue: %v", err)
	}
	result := make(chan error)
	c := client(t, f.Name())
	go func() {
		_, err := c.Get(t.Context(), fal)
		result <- err
	}()
	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	testdaemon.ServeOn(t, l, testdaemon.Bearer)
	if err := <-result; err != nil {
		t.Error(err)
	}
}

// fullQueue is a listening socket that takes no more connections, by the name of its path.
func fullQueue(t *testing.T) *os.File {
	t.Helper()
	path := filepath.Join(testkit.ShortDir(t), "falcred.sock")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), path)
	t.Cleanup(func() { f.Close() })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for {
		c, err := net.Dial("unix", path)
		if errors.Is(err, syscall.EAGAIN) {
			return f
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
}

// §4: a daemon whose queue stays full is not waited for until the end.
func TestAQueueThatStaysFullIsSaid_Section4(t *testing.T) {
	hurry(t)
	f := fullQueue(t)
	for name, err := range everyVerb(t, client(t, f.Name())) {
		if codeOf(err) != protocol.CodeUnavailable || !strings.Contains(err.Error(), "the daemon at "+f.Name()+" does not answer") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// §4: who is stopped is named, with what lets him go on.
func TestAStoppedDaemonIsNamed_Section4(t *testing.T) {
	hurry(t)
	waits.between = time.Hour // one look is enough, however long a daemon's end may take
	socket := silence(t)
	other := testkit.Start(t, exec.Command("sleep", "60"))
	pid := other.Process.Pid
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(socket+".lock", fmt.Appendf(nil, "%d\n%s\n", pid, host), 0o600); err != nil { // as a daemon writes it
		t.Fatal(err)
	}
	if err := other.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "it is stopped", func() bool {
		_, stopped, _ := holder(socket)
		return stopped
	})
	for name, err := range everyVerb(t, client(t, socket)) {
		if codeOf(err) != protocol.CodeUnavailable || !strings.Contains(err.Error(), fmt.Sprintf("(pid %d)", pid)) || !strings.Contains(err.Error(), fmt.Sprintf("\nlet it go on: kill -CONT %d", pid)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := other.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	_, err = client(t, socket).Status(t.Context())
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("(pid %d)", pid)) || strings.Contains(err.Error(), "CONT") {
		t.Errorf("one that hangs: %v", err)
	}

	// What the lock file says is believed as far as it is one.
	for what, make := range map[string]func(string) error{
		"a FIFO":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"a link":   func(path string) error { return os.Symlink("/dev/zero", path) },
		"garbage":  func(path string) error { return os.WriteFile(path, []byte("-1"), 0o600) },
		"another machine's": func(path string) error {
			return os.WriteFile(path, fmt.Appendf(nil, "%d\nnot-%s\n", pid, host), 0o600)
		},
	} {
		if err := errors.Join(os.RemoveAll(socket+".lock"), make(socket+".lock")); err != nil {
			t.Fatal(err)
		}
		if pid, stopped, _ := holder(socket); pid != 0 || stopped {
			t.Errorf("%s: %d, %t", what, pid, stopped)
		}
	}
}

// S5: behind a socket that a service manager holds, the next daemon is waited for where the one
// before has died: it is started after some seconds.
func TestTheNextDaemonIsWaitedFor_S5(t *testing.T) {
	hurry(t)
	l, err := net.Listen("unix", filepath.Join(testkit.ShortDir(t), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dead := exec.Command("true")
	testkit.Must(t, dead.Run())
	host, err := os.Hostname()
	testkit.Must(t, err)
	testkit.Must(t, os.WriteFile(l.Addr().String()+".lock", fmt.Appendf(nil, "%d\n%s\n", dead.Process.Pid, host), 0o600))
	got := make(chan error)
	go func() {
		_, err := client(t, l.Addr().String()).Get(t.Context(), fal)
		got <- err
	}()
	waiting := make(chan net.Conn)
	accept := func() {
		c, err := l.Accept()
		if err == nil {
			waiting <- c
		}
	}
	next := make(chan net.Conn, 1)
	for i := range 3 { // the request, a look at whether anybody lives, and another one
		go accept()
		select {
		case c := <-waiting:
			if i == 0 {
				next <- c
			}
		case err := <-got:
			t.Fatal("given up: ", err)
		}
	}
	testdaemon.ServeOn(t, &queue{l, next}, testdaemon.Bearer)
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// queue is a listener to which somebody is connected already.
type queue struct {
	net.Listener
	first chan net.Conn
}

func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.first:
		return c, nil
	default:
		return q.Listener.Accept()
	}
}

// §3: a place that fails hides no daemon that serves this home elsewhere, and where none does
// the failure is what is said. A file system that is dead, or hangs, is played by
// TestDeadHome_Section3.
func TestTroubleMeansTheNextPlace_Section3(t *testing.T) {
	hurry(t)
	run := testkit.ShortDir(t)
	home := filepath.Dir(fullQueue(t).Name())
	ask := func() error {
		c := New(testdaemon.Lookup(map[string]string{"FAL_HOME_DIR": home, "XDG_RUNTIME_DIR": run}))
		defer c.Close()
		_, err := c.Get(t.Context(), fal)
		return err
	}
	if err := ask(); codeOf(err) != protocol.CodeUnavailable || !strings.Contains(err.Error(), home) {
		t.Errorf("alone: %v", err)
	}
	waits.prompt = testkit.Patience
	testdaemon.Serve(t, filepath.Join(run, "falcred.sock"), func(r protocol.Request) any {
		if r.Verb == protocol.VerbStatus {
			return protocol.Status{Home: home}
		}
		return testdaemon.Bearer(r)
	})
	if err := ask(); err != nil {
		t.Errorf("with a daemon at the second place: %v", err)
	}
}
