package socket

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/disk"
	"golang.org/x/sys/windows"
)

// systemsOwn are things that are no sockets: an address that leads to another machine.
var systemsOwn = map[string]func(path string) error{
	"another machine's": func(p string) error { return os.WriteFile(p, []byte(`\\host\pipe\falcred`+"\n"), 0o600) },
}

func wantPrivate(t *testing.T, path string) {
	t.Helper()
	if info, err := disk.Lstat(path); err != nil || info.Mode()&^0o111 != 0o600 {
		t.Errorf("the address: %v, %v", info.Mode(), err)
	}
}

// listenBusily serves with a pipe that only one client fits into.
func listenBusily(t *testing.T, path string) {
	t.Helper()
	name := fmt.Sprintf(`\\.\pipe\falcred-busy-%d`, os.Getpid())
	text, err := windows.UTF16PtrFromString(name)
	testkit.Must(t, err)
	pipe, err := windows.CreateNamedPipe(text, windows.PIPE_ACCESS_DUPLEX, 0, 1, 512, 512, 0, nil)
	testkit.Must(t, err)
	t.Cleanup(func() { windows.CloseHandle(pipe) })
	testkit.Must(t, os.WriteFile(path, []byte(name+"\n"), 0o600))
}

// S1, S8: a daemon that was killed leaves an address and a lock file that are nobody's.
func TestKilled_S1_S8(t *testing.T) {
	path := in(t)
	other := start(t, play("daemon", path))
	other.line()
	other.Process.Kill()
	other.Wait()
	if testkit.Gone(path) {
		t.Fatal("it has left no address")
	}
	open(t, Options{Path: path})
	reachable(t, path)
}

// S7, S8: what is for uids is refused, in words.
func TestRefused_S7_S8(t *testing.T) {
	path := in(t)
	_, err := OpenShared(path, nil)
	testkit.WantText(t, err.Error(), "no share socket on Windows")
	_, err = ClaimFollow(filepath.Join(filepath.Dir(path), "falcred.follow"))
	testkit.WantText(t, err.Error(), "does not run on Windows")
}
