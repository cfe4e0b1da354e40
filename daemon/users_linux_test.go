//go:build system

package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// S3: another user is told one line, denied, and is logged once.
func TestS3OtherUsers(t *testing.T) {
	testkit.NeedRoot(t)
	h := newHouse(t, idp.Config{})
	h.SignIn("ann")
	h.run()
	h.Status()
	// What S2 forbids, so that S3 stands alone.
	for path, mode := range map[string]os.FileMode{h.cfg.Home: 0o755, h.Sock: 0o777} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	binary := testkit.CopyBinary(t)
	for _, uid := range []uint32{65534, 12345, 65534, 12345} {
		out, err := testkit.As(uid, binary, testkit.Role("client", "FALCRED_TEST_SOCKET="+h.Sock)).CombinedOutput()
		if err != nil {
			t.Fatalf("uid %d: %v: %s", uid, err, out)
		}
		line, rest, _ := strings.Cut(string(out), "\n")
		var e *protocol.Error
		if err := protocol.ParseAnswer(line, nil); !errors.As(err, &e) || e.Code != protocol.CodeDenied {
			t.Errorf("uid %d was answered %q", uid, out)
		}
		if rest != "" {
			t.Errorf("uid %d was told more: %q", uid, rest)
		}
	}
	h.Dial().Secret()
	for _, uid := range []string{"65534", "12345"} {
		if n := strings.Count(h.Logged.String(), "a client was denied\" uid="+uid+" "); n != 1 {
			t.Errorf("uid %s was logged %d times\n%s", uid, n, h.Logged)
		}
	}
}

// S3: root is served by everybody's daemon.
func TestS3Root(t *testing.T) {
	testkit.NeedRoot(t)
	h := newHouse(t, idp.Config{})
	_, access := h.SignIn("ann")
	for _, path := range []string{h.cfg.Home, h.File} {
		if err := os.Chown(path, 12345, 12345); err != nil {
			t.Fatal(err)
		}
	}
	h.process(testkit.As(12345, testkit.CopyBinary(t), testkit.Role("daemon")))
	if h.Dial().Secret() != access {
		t.Error("root does not get the login")
	}
}

// §3: a home that cannot hold a socket leaves the second place, with a warning.
func TestSocketSecondPlace(t *testing.T) {
	testkit.NeedRoot(t)
	h := newHouse(t, idp.Config{})
	_, access := h.SignIn("ann")
	runtimeDir := testkit.ShortDir(t)
	h.Sock = filepath.Join(runtimeDir, "falcred.sock")
	cmd := testkit.Role("readonly", "XDG_RUNTIME_DIR="+runtimeDir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	h.process(cmd)
	c := h.Dial()
	if c.Secret() != access {
		t.Error("no login at the second place")
	}
	var s protocol.Status
	if err := c.Ask("status", &s); err != nil {
		t.Fatal(err)
	}
	testkit.WantText(t, strings.Join(s.Warnings, "\n"), "the socket is "+h.Sock)
}
