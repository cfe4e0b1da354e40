package daemon

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Where a socket is quick, no client can pass it a descriptor, not even one that is in
// its queue; where the kernel can see to that, it is quick.
func TestQuickSocketTakesNoDescriptors(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	listener, quick, err := listenPrivate(path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, _, err = client.WriteMsgUnix([]byte("list\n"), unix.UnixRights(int(os.Stdin.Fd())), nil)
	if refused := errors.Is(err, unix.EPERM); refused != quick {
		t.Errorf("quick %t, and passing a descriptor: %v", quick, err)
	}
	if _, err := client.Write([]byte("list\n")); err != nil {
		t.Errorf("without one: %v", err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSRIGHTS); (err == nil) != quick {
		t.Errorf("quick %t, and the kernel's word on SO_PASSRIGHTS: %v", quick, err)
	}
}
