package local

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/protocol/disk"
	"golang.org/x/sys/windows"
)

const patience = 40 * time.Second

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func listen(t *testing.T) (*Listener, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "falcred.sock")
	l, err := Listen(path)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	return l, path
}

func pair(t *testing.T) (client, daemon *Conn) {
	t.Helper()
	l, path := listen(t)
	client, err := Dial(path)
	must(t, err)
	daemon, err = l.AcceptUnix()
	must(t, err)
	for _, c := range []*Conn{client, daemon} {
		must(t, c.SetDeadline(time.Now().Add(patience)))
		t.Cleanup(func() { c.Close() })
	}
	return client, daemon
}

func write(t *testing.T, c *Conn, text string) {
	t.Helper()
	_, err := io.WriteString(c, text)
	must(t, err)
}

func wantRest(t *testing.T, c *Conn, want string) {
	t.Helper()
	if got, err := io.ReadAll(c); string(got) != want || err != nil {
		t.Errorf("it reads %q, %v; want %q", got, err, want)
	}
}

// S8: what was written is read after the writer's end, and then comes the end; who writes to
// nobody is told so as on a socket.
func TestEnds_S8(t *testing.T) {
	client, daemon := pair(t)
	write(t, client, "a request\n")
	write(t, daemon, "an answer\n")
	must(t, daemon.Close())
	wantRest(t, client, "an answer\n")
	if _, err := io.WriteString(client, "more\n"); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("written to nobody: %v", err)
	}
	client, daemon = pair(t)
	write(t, client, "a request\n")
	must(t, client.Close())
	wantRest(t, daemon, "a request\n")
}

// S5, S8: after CloseRead what had arrived is read, and nothing is waited for any more.
func TestCloseRead_S5_S8(t *testing.T) {
	client, daemon := pair(t)
	write(t, client, strings.Repeat("x", 1000))
	first := make([]byte, 10)
	_, err := io.ReadFull(daemon, first)
	must(t, err)
	must(t, daemon.CloseRead())
	must(t, daemon.SetReadDeadline(time.Time{})) // which gives nothing back
	wantRest(t, daemon, strings.Repeat("x", 990))
	write(t, daemon, "an answer\n")
	must(t, daemon.Close())
	wantRest(t, client, "an answer\n")

	_, waiting := pair(t)
	ended := make(chan error)
	go func() {
		_, err := waiting.Read(make([]byte, 1))
		ended <- err
	}()
	must(t, waiting.CloseRead())
	if err := <-ended; err != io.EOF {
		t.Errorf("a read that waited: %v", err)
	}
}

// S8: a read and a write end when they are told to.
func TestDeadlines_S8(t *testing.T) {
	client, _ := pair(t)
	must(t, client.SetDeadline(time.Now().Add(10*time.Millisecond)))
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
	if _, err := client.Write(make([]byte, 1<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write: %v", err)
	}
	must(t, client.SetDeadline(time.Now().Add(patience)))
}

// S8: a write that nobody makes room for ends when its connection is closed, or its time is cut
// short; what was written meanwhile is read.
func TestWritesEnd_S8(t *testing.T) {
	for name, end := range map[string]struct {
		by   func(c *Conn) error
		want error
	}{
		"closed":    {(*Conn).Close, os.ErrClosed},
		"cut short": {func(c *Conn) error { return c.SetWriteDeadline(past) }, os.ErrDeadlineExceeded},
	} {
		client, daemon := pair(t)
		ended := make(chan error)
		go func() {
			_, err := client.Write(make([]byte, 1<<20))
			ended <- err
		}()
		_, err := io.ReadFull(daemon, make([]byte, 1<<10)) // it has begun
		must(t, err)
		must(t, end.by(client))
		if err := <-ended; !errors.Is(err, end.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := io.WriteString(client, "more"); !errors.Is(err, end.want) {
			t.Errorf("%s, after that: %v", name, err)
		}
	}
}

// S8: both ends write and read at the same time, more than the pipe holds. (The race detector saw
// what an os.File has in common for both.)
func TestBothWays_S8(t *testing.T) {
	client, daemon := pair(t)
	const size, pieces = 2000, 1000
	var all sync.WaitGroup
	for _, c := range []*Conn{client, daemon} {
		all.Go(func() {
			for range pieces {
				if n, err := c.Write(make([]byte, size)); n != size || err != nil {
					t.Errorf("%d bytes are written: %v", n, err)
					return
				}
			}
		})
		all.Go(func() {
			if n, err := io.ReadFull(c, make([]byte, size*pieces)); err != nil {
				t.Errorf("%d bytes are read: %v", n, err)
			}
		})
	}
	all.Wait()
}

// S8: 200 clients at once are all answered, however few instances wait, and those who open
// the pipe and are gone before their turn hold up nobody.
func TestManyClients_S8(t *testing.T) {
	l, path := listen(t)
	var echoes sync.WaitGroup
	go func() {
		for {
			c, err := l.AcceptUnix()
			if err != nil {
				return
			}
			echoes.Go(func() {
				defer c.Close()
				io.Copy(c, c)
			})
		}
	}()
	defer echoes.Wait()
	defer l.Close()
	var clients sync.WaitGroup
	for n := range 200 {
		clients.Go(func() {
			c := dialPatiently(t, path)
			if c == nil {
				return
			}
			defer c.Close()
			if n%4 == 0 {
				return // at once
			}
			c.SetDeadline(time.Now().Add(patience))
			text := strings.Repeat("y", n+1)
			io.WriteString(c, text)
			if _, err := io.ReadFull(c, make([]byte, len(text))); err != nil {
				t.Errorf("client %d: %v", n, err)
			}
		})
	}
	clients.Wait()
}

// dialPatiently tries again while all instances are taken, as clients do.
func dialPatiently(t *testing.T, path string) *Conn {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); ; <-tick.C {
		c, err := Dial(path)
		if err == nil {
			return c
		}
		if !errors.Is(err, syscall.EAGAIN) || time.Since(begun) > patience {
			t.Error(err)
			return nil
		}
	}
}

// S8: nobody else's connections are lost by a client that writes and is gone: what it wrote is
// read, then comes the end.
func TestGoneBeforeItsTurn_S8(t *testing.T) {
	l, path := listen(t)
	for range 3 {
		c, err := Dial(path)
		must(t, err)
		write(t, c, "stop\n")
		must(t, c.Close())
	}
	for range 3 {
		c, err := l.AcceptUnix()
		must(t, err)
		wantRest(t, c, "stop\n")
		c.Close()
	}
}

// S8: a full queue is EAGAIN, as on Linux.
func TestFullQueue_S8(t *testing.T) {
	_, path := listen(t)
	var err error
	for n := 0; n < 3*waiting && err == nil; n++ {
		var c *Conn
		if c, err = Dial(path); err == nil {
			defer c.Close()
		}
	}
	if !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("nobody accepts: %v", err)
	}
}

// S8: from an address file a pipe of this machine is taken, and nothing else. Its owner can
// replace it while it is read.
func TestAddresses_S8(t *testing.T) {
	l, path := listen(t)
	name, err := readAddress(path)
	must(t, err)
	if name != l.name || !strings.HasPrefix(name, `\\.\pipe\falcred-`) || len(name) != len(`\\.\pipe\falcred-`)+32 {
		t.Errorf("it is %q", name)
	}
	elsewhere := filepath.Join(t.TempDir(), "s")
	for _, text := range []string{
		"", "\n", name, name + "\r\n", name + "\n\n", " " + name + "\n", `\\.\pipe\` + "\n", `\\host\pipe\falcred` + "\n",
		`\\.\pipe\a\b` + "\n", `\\.\pipe\..\x` + "\n", `\\.\pipe\a/b` + "\n", `\\.\pipe\a.` + "\n", `\\.\pipe\a b` + "\n", `\\.\PhysicalDrive0` + "\n",
		`\\?\pipe\a` + "\n", `C:\file` + "\n", "\\\\.\\pipe\\a\x00b\n", name + strings.Repeat("a", maxAddress) + "\n",
	} {
		must(t, os.WriteFile(elsewhere, []byte(text), 0o600))
		if c, err := Dial(elsewhere); !errors.Is(err, syscall.ENOTSOCK) {
			t.Errorf("%q: %v, %v", text, c, err)
		}
	}
	if _, err := Dial(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	l.Close()
	if _, err := Dial(path); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody serves: %v", err)
	}
	again, err := Listen(path)
	must(t, err)
	defer again.Close()
	if named, err := l.Named(); named || err != nil {
		t.Errorf("the address is the old one's: %v", err)
	}
	if named, err := again.Named(); !named || err != nil {
		t.Errorf("the address is not the new one's: %v", err)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// S8: nobody has the pipe's name besides us, and from its first moment nobody else may
// open it.
func TestPrivate_S8(t *testing.T) {
	l, path := listen(t)
	if h, err := createPipe(l.name, l.descriptor, true); err == nil {
		syscall.CloseHandle(h)
		t.Error("there are two of that name")
	}
	c, err := Dial(path)
	must(t, err)
	defer c.Close()
	own, err := disk.OwnUser()
	must(t, err)
	must(t, c.control(func(h syscall.Handle) error {
		sd, err := windows.GetSecurityInfo(windows.Handle(h), windows.SE_KERNEL_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION|windows.LABEL_SECURITY_INFORMATION)
		if err != nil {
			return err
		}
		text := strings.NewReplacer("GA", "FA", "0x001f01ff", "FA", "0x1f01ff", "FA",
			"S:P(;;CCDC", "S:(ML;;NWNR", "NRNW", "NWNR").Replace(sd.String()) // wine's words, and perhaps Windows'
		if want := "O:" + own + "D:P(A;;FA;;;" + own + ")(A;;FA;;;SY)" + label; text != want {
			t.Errorf("it is %s, want %s", text, want)
		}
		return nil
	}))
}

// S8: accepting ends at its time, or with the listener.
func TestAcceptEnds_S8(t *testing.T) {
	l, _ := listen(t)
	must(t, l.SetDeadline(time.Now().Add(time.Millisecond)))
	if _, err := l.AcceptUnix(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	l, _ = listen(t)
	ended := make(chan error)
	go func() {
		_, err := l.AcceptUnix()
		ended <- err
	}()
	l.Close()
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

// S3, S8: a client may be known by what it writes only (ERROR_CANNOT_IMPERSONATE). Its first
// byte is read for that, and not lost; one that writes nothing holds up nobody.
func TestKnownByItsFirstByte_S8(t *testing.T) {
	defer func() { askClient = clientUser }()
	asked := map[syscall.Handle]int{}
	var mu sync.Mutex
	askClient = func(h syscall.Handle) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		asked[h]++
		if asked[h] == 1 {
			return "", errCannotImpersonate
		}
		return clientUser(h)
	}
	l, path := listen(t)
	silent, err := Dial(path)
	must(t, err)
	defer silent.Close()
	c, err := Dial(path)
	must(t, err)
	defer c.Close()
	write(t, c, "list\n")
	daemon, err := l.AcceptUnix()
	must(t, err)
	own, err := disk.OwnUser()
	must(t, err)
	if sid, err := daemon.User(); sid != own || err != nil {
		t.Errorf("it is %q, %v", sid, err)
	}
	must(t, c.Close())
	wantRest(t, daemon, "list\n")
	daemon.Close()
}
