//go:build (linux || darwin) && system

package dockercred

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

func TestAnotherUsersDaemonIsToldNothing_S3(t *testing.T) {
	testkit.NeedRoot(t) // to be another user
	h := newHouse(t)
	for _, dir := range []string{h.home, h.record} {
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	foreign := exec.Command(daemonBin, "run")
	foreign.Env = h.env
	foreign.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
	testkit.Start(t, foreign)
	testkit.Eventually(t, "the other user's daemon is ready", func() bool { return !testkit.Gone(filepath.Join(h.record, "ready")) })

	for _, env := range [][]string{nil, {"FALCRED_SOCKET=" + filepath.Join(h.home, "falcred.sock")}} {
		h := house{h.home, h.record, append(slices.Clone(h.env), env...)}
		if got := h.run(t, "token"); got.code != 1 || got.out != "" || !strings.Contains(got.err, "denied") {
			t.Errorf("%+v", got)
		}
	}
	if asked, err := os.ReadFile(filepath.Join(h.record, "asked")); err == nil {
		t.Errorf("it was sent %s", asked)
	}
	if n := len(h.starts(t)); n != 1 {
		t.Errorf("%d daemons were started besides", n-1)
	}
}
