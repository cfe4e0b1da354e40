package socket

import (
	"errors"
	"net"
	"os"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"golang.org/x/sys/unix"
)

// knowsPassRights says whether this kernel can keep descriptors out (6.16).
func knowsPassRights(t *testing.T) bool {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	testkit.Must(t, err)
	defer unix.Close(fd)
	_, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSRIGHTS)
	return err == nil
}

// S5: nobody can pass a socket of ours a descriptor, not even before his connection is
// accepted, where the kernel can see to that. The same is true of systemd's from the
// moment on at which falcred has it; those who came before may have passed some.
func TestTakesNoDescriptors_S5(t *testing.T) {
	known := knowsPassRights(t)
	ours := open(t, Options{Path: in(t)})
	if refused := passDescriptor(t, ours.Path()); refused != known {
		t.Errorf("ours: a descriptor was refused %t; SO_PASSRIGHTS is known %t", refused, known)
	}
	path := in(t)
	systemds := listen(t, path)
	if passDescriptor(t, path) {
		t.Error("inherited, before: a descriptor was refused")
	}
	cmd := play("activated", path)
	cmd.ExtraFiles = []*os.File{handOver(t, systemds)}
	start(t, cmd).line()
	if refused := passDescriptor(t, path); refused != known {
		t.Errorf("inherited, from then on: refused %t; SO_PASSRIGHTS is known %t", refused, known)
	}
}

// passDescriptor is a client that passes a descriptor.
func passDescriptor(t *testing.T, path string) (refused bool) {
	t.Helper()
	client, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	testkit.Must(t, err)
	t.Cleanup(func() { client.Close() })
	raw, err := client.SyscallConn()
	testkit.Must(t, err)
	raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSRIGHTS, 1) }) // which is for its own end
	_, _, err = client.WriteMsgUnix([]byte("list\n"), unix.UnixRights(0), nil)
	refused = errors.Is(err, unix.EPERM)
	if err != nil && !refused {
		t.Fatal(err)
	}
	return refused
}

// S2: packets are no stream.
func TestS2InheritsNoPackets(t *testing.T) {
	path := in(t)
	packets, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	testkit.Must(t, err)
	defer packets.Close()
	notActivated(t, path, []*os.File{handOver(t, packets)}, "the socket from systemd is not a Unix stream socket\ngive ListenStream= in falcred.socket an absolute path")
}
