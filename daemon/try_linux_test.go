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
	if refused, quick := passDescriptor(t, listener); refused != known || quick != known {
		t.Errorf("ours: a descriptor was refused %t, the connection is quick %t; SO_PASSRIGHTS is known %t", refused, quick, known)
	}

	// One of systemd's: those who came before falcred did may have passed some.
	foreign, err := net.ListenUnix("unix", &net.UnixAddr{Name: path + "2", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	if refused, quick := passDescriptor(t, foreign); refused || quick {
		t.Errorf("inherited, before: refused %t, quick %t", refused, quick)
	}
	raw, err := foreign.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(refuseDescriptors)
	if refused, quick := passDescriptor(t, foreign); refused != known || quick != known {
		t.Errorf("inherited, from then on: refused %t, quick %t", refused, quick)
	}
}

// passDescriptor is a client that passes a descriptor and asks, and then only asks.
func passDescriptor(t *testing.T, listener *net.UnixListener) (refused, quick bool) {
	t.Helper()
	client, err := net.DialUnix("unix", nil, listener.Addr().(*net.UnixAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, _, err = client.WriteMsgUnix([]byte("list\n"), unix.UnixRights(0), nil)
	refused = errors.Is(err, unix.EPERM)
	if err != nil && !refused {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte("list\n")); err != nil {
		t.Fatal(err)
	}
	peer, err := listener.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	var s stream
	s.open(peer, patience)
	if n, err := s.Read(make([]byte, 5)); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	return refused, s.quick
}
