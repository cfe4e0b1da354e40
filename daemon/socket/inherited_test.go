//go:build linux || darwin

package socket

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// handOver is the descriptor that a service manager keeps.
func handOver(t *testing.T, socket interface{ File() (*os.File, error) }) *os.File {
	t.Helper()
	file, err := socket.File()
	testkit.Must(t, err)
	t.Cleanup(func() { file.Close() })
	return file
}

// S2: an inherited socket is served, and outlives the daemon.
func TestS2Inherited(t *testing.T) {
	path := filepath.Join(testkit.ShortDir(t), "systemd.sock")
	cmd := play("activated", path+"-other")
	cmd.ExtraFiles = []*os.File{handOver(t, listen(t, path))}
	p := start(t, cmd)
	said := p.line()
	testkit.WantText(t, said, path+"; ")
	testkit.WantText(t, said, "SocketMode=0600")
	if !testkit.Gone(path + "-other") {
		t.Error("a second socket was made")
	}
	c, err := net.Dial("unix", path)
	testkit.Must(t, err)
	defer c.Close()
	p.Process.Signal(syscall.SIGTERM)
	p.ends()
	if testkit.Gone(path) {
		t.Fatal("the inherited socket was unlinked")
	}
	reachable(t, path)
}

// S2: what cannot be served is refused, and says what to do.
func TestS2InheritsOneStreamSocket(t *testing.T) {
	path := filepath.Join(testkit.ShortDir(t), "systemd.sock")
	stream := handOver(t, listen(t, path))
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	defer tcp.Close()
	datagram, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path + "2", Net: "unixgram"})
	testkit.Must(t, err)
	defer datagram.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	testkit.Must(t, err)
	defer file.Close()
	for name, c := range map[string]struct {
		files []*os.File
		want  string
	}{
		"two":       {[]*os.File{stream, stream}, "systemd passed 2 sockets, and falcred takes one\nkeep one ListenStream= in falcred.socket"},
		"TCP":       {[]*os.File{handOver(t, tcp.(*net.TCPListener))}, "the socket from systemd is not a Unix stream socket\ngive ListenStream= in falcred.socket an absolute path"},
		"datagrams": {[]*os.File{handOver(t, datagram)}, "the socket from systemd is not a Unix stream socket\ngive ListenStream= in falcred.socket an absolute path"},
		"a file":    {[]*os.File{file}, "the descriptor from systemd is not a listening socket"},
	} {
		t.Run(name, func(t *testing.T) { notActivated(t, path, c.files, c.want) })
	}
}

func notActivated(t *testing.T, path string, files []*os.File, want string) {
	t.Helper()
	cmd := play("activated", path, "LISTEN_FDS="+itoa(len(files)))
	cmd.ExtraFiles = files
	out, err := cmd.Output()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("it ends with %v, want exit 1", err)
	}
	testkit.WantText(t, string(out), want)
}

// S2: what is meant for another process is not touched: a shell in between has not
// passed it on.
func TestS2InheritsOnlyItsOwn(t *testing.T) {
	systemds, path := in(t), in(t)
	cmd := play("daemon", path, "LISTEN_PID="+itoa(os.Getpid()), "LISTEN_FDS=1", "LISTEN_FDNAMES=falcred.socket")
	cmd.ExtraFiles = []*os.File{handOver(t, listen(t, systemds))}
	p := start(t, cmd)
	if got := p.line(); got != path {
		t.Errorf("it listens on %s", got)
	}
	p.Process.Signal(syscall.SIGTERM)
	p.ends()
}

// handedOver is what Inherited makes of a listener.
func handedOver(l *net.UnixListener) *Socket {
	return &Socket{path: l.Addr().String(), listener: l, inherited: true}
}

// S2: an inherited socket is left to systemd, and one whose name is gone, which
// nobody can reach, is replaced by falcred's own.
func TestS2InheritedWithoutAName(t *testing.T) {
	path := in(t)
	s, err := inherit(context.Background(), handedOver(listen(t, path)))
	testkit.Must(t, err)
	if s.Lost() {
		t.Error("a socket with a name counts as lost")
	}
	s.Remove()
	if testkit.Gone(path) {
		t.Fatal("systemd's name was removed")
	}
	os.Remove(path)
	if !s.Lost() {
		t.Error("a socket without a name does not count as lost")
	}
	s.Close()

	nameless := listen(t, path)
	os.Remove(path)
	s, err = inherit(context.Background(), handedOver(nameless))
	testkit.Must(t, err)
	reachable(t, path)
	s.Close()
	if !testkit.Gone(path) {
		t.Error("its own name was left behind")
	}
}
