//go:build linux && !race

package daemon

import (
	"errors"
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A connection is quick where nobody can have passed it a descriptor, not even before
// it was accepted; where the kernel can see to that, all of a socket of ours are.
func TestQuickConnectionsTakeNoDescriptors(t *testing.T) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	_, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSRIGHTS)
	known := err == nil

	path := filepath.Join(shortDir(t), "s")
	listener, err := listenPrivate(path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	refused := passDescriptor(t, listener)
	if quick := acceptedQuick(t, listener); refused != known || quick != known {
		t.Errorf("ours: a descriptor was refused %t, the connection is quick %t; SO_PASSRIGHTS is known %t", refused, quick, known)
	}

	// One of systemd's: those who came before falcred may have passed some, even if
	// they are accepted after it has come.
	foreign, err := net.ListenUnix("unix", &net.UnixAddr{Name: path + "2", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	refused = passDescriptor(t, foreign)
	raw, err := foreign.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(refuseDescriptors)
	if quick := acceptedQuick(t, foreign); refused || quick {
		t.Errorf("inherited, before: a descriptor was refused %t, the connection is quick %t", refused, quick)
	}
	refused = passDescriptor(t, foreign)
	if quick := acceptedQuick(t, foreign); refused != known || quick != known {
		t.Errorf("inherited, from then on: refused %t, quick %t; SO_PASSRIGHTS is known %t", refused, quick, known)
	}
}

// passDescriptor is a client that passes a descriptor, and asks.
func passDescriptor(t *testing.T, listener *net.UnixListener) (refused bool) {
	t.Helper()
	client, err := net.DialUnix("unix", nil, listener.Addr().(*net.UnixAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	raw, err := client.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSRIGHTS, 1) }) // which is for its own end
	_, _, err = client.WriteMsgUnix([]byte("list\n"), unix.UnixRights(0), nil)
	refused = errors.Is(err, unix.EPERM)
	if err != nil && !refused {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte("list\n")); err != nil {
		t.Fatal(err)
	}
	return refused
}

// acceptedQuick is what falcred takes the next connection for.
func acceptedQuick(t *testing.T, listener *net.UnixListener) bool {
	t.Helper()
	peer, err := listener.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	var s stream
	s.open(peer, in(patience))
	if n, err := s.Read(make([]byte, 5)); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	return s.quick
}
