//go:build linux || darwin

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/gofrs/flock"
)

// firstInherited is SD_LISTEN_FDS_START of sd_listen_fds(3).
const firstInherited = 3

// inheritedListener is the socket that systemd hands over, or nil.
func inheritedListener() (*net.UnixListener, error) {
	pid, _ := strconv.Atoi(os.Getenv("LISTEN_PID"))
	count, _ := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if pid != os.Getpid() || count < 1 {
		return nil, nil
	}
	// They are this process's, not its children's.
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	if count > 1 {
		return nil, fmt.Errorf("systemd hands over %d sockets, falcred takes one: mend falcred.socket", count)
	}
	refuseDescriptors(firstInherited) // where the kernel can; each connection knows whether it did
	file := os.NewFile(firstInherited, "socket")
	defer file.Close() // FileListener makes its own descriptor
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("the inherited descriptor is not a listening socket: %w", err)
	}
	if unixListener, ok := listener.(*net.UnixListener); ok {
		return unixListener, nil
	}
	listener.Close()
	return nil, errors.New("the inherited socket is not a Unix stream socket: mend falcred.socket")
}

// inherit takes the lock of an inherited socket. Its file is systemd's: it is neither
// made better nor removed (S2). One whose name was taken away (`rm -r` of the home)
// reaches nobody until systemd makes it anew, so that until then falcred makes its own.
func inherit(ctx context.Context, listener *net.UnixListener) (s *socket, err error) {
	defer func() {
		if err != nil {
			listener.Close()
		}
	}()
	path := listener.Addr().String()
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("the inherited socket has no path of its own (%q): mend falcred.socket", path)
	}
	if err := checkFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	// Another daemon cannot be asked: whoever connects to this path meets our own
	// queue, since systemd has put its socket in the place of the other's.
	lock, err := claimFrom(ctx, path, true)
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		listener.Close()
		lock.Close()
		return listenAt(path, func(path string) (*flock.Flock, error) { return claimFrom(ctx, path, false) })
	}
	s = &socket{path: path, listener: listener, bound: info, inherited: true, lock: lock}
	if err == nil && othersCanRead(info) {
		s.warnings = append(s.warnings, "others can connect to the inherited socket, and are denied: set SocketMode=0600 in falcred.socket")
	}
	return s, nil
}
