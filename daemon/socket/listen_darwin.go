package socket

import (
	"net"

	"golang.org/x/sys/unix"
)

// listenPrivate makes a socket that is 0600 from its first moment (S2). Here
// only the umask can do that, and it is the whole process's: a file that is made
// at the same moment is 0600 too, as all of falcred's are. Untested on a real macOS.
func listenPrivate(path string) (*net.UnixListener, error) {
	defer unix.Umask(unix.Umask(0o177))
	return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
}

// refuseDescriptors is for the kernel to do, and this one cannot.
func refuseDescriptors(uintptr) {}
