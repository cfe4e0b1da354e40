//go:build system

package daemon

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// asks has another user's process ask once and returns what that is told.
func (h *house) asks(program, socket string, attr *syscall.SysProcAttr) string {
	h.Helper()
	cmd := exec.Command(program)
	cmd.Env = []string{testkit.RoleVariable + "=client", "FALCRED_TEST_SOCKET=" + socket} // and nothing else
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	if err != nil {
		return err.Error() + ": " + string(out)
	}
	return string(out)
}

// S7 with real users: whom the kernel names, by number, in whatever user namespace
// they say they are somebody else.
func TestS7OtherUsers(t *testing.T) {
	testkit.NeedRoot(t)
	h := newHouse(t, idp.Config{})
	_, access := h.SignIn("ann")
	share := h.shares(12345)
	if err := os.Chmod(filepath.Dir(share), 0o711); err != nil {
		t.Fatal(err)
	}
	program := testkit.CopyBinary(t)
	h.run()
	h.At(share).Dial().Secret()

	user := func(uid uint32) *syscall.SysProcAttr {
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	// As `unshare -Ur` does: it is root, in a namespace of its own.
	mapped := func(uid int) *syscall.SysProcAttr {
		return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
			Credential:  &syscall.Credential{Uid: 0, Gid: 0}}
	}
	for name, c := range map[string]struct {
		attr *syscall.SysProcAttr
		want string
	}{
		"allowed":                                  {user(12345), access},
		"allowed, as root of a namespace":          {mapped(12345), access},
		"a stranger":                               {user(12346), string(protocol.CodeDenied)},
		"a stranger, as root of a namespace":       {mapped(12346), string(protocol.CodeDenied)},
		"nobody, the overflow uid":                 {user(65534), string(protocol.CodeDenied)},
		"the overflow uid, as root of a namespace": {mapped(65534), string(protocol.CodeDenied)},
	} {
		if got := h.asks(program, share, c.attr); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	// The owner's own socket knows none of them.
	os.Chmod(h.cfg.Home, 0o711)
	os.Chmod(h.Sock, 0o666)
	if got := h.asks(program, h.Sock, user(12345)); !strings.Contains(got, string(protocol.CodeDenied)) {
		t.Errorf("the owner's socket says %s", got)
	}
	if n := strings.Count(h.Logged.String(), "a client was denied"); n != 3 {
		t.Errorf("%d refusals are in the log, want one for each of 3 users\n%s", n, h.Logged)
	}
}
