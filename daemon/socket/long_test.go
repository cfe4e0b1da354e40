//go:build linux || darwin

package socket

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/env"
)

// S2, §3: a home whose path is too long for a socket leaves the second place, as it does for
// clients, and that is said.
func TestALongHomeListensAtTheSecondPlace_S2(t *testing.T) {
	home := filepath.Join(testkit.ShortDir(t), strings.Repeat("a", 200))
	testkit.Must(t, os.Mkdir(home, 0o700))
	run := testkit.ShortDir(t)
	t.Setenv("XDG_RUNTIME_DIR", run)
	s, err := Open(t.Context(), Options{Home: home})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Path() != filepath.Join(run, "falcred.sock") || len(s.Warnings()) != 1 || !strings.Contains(s.Warnings()[0], "socket path has") {
		t.Errorf("%s, %q", s.Path(), s.Warnings())
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	if _, err := Open(t.Context(), Options{Home: home}); !errors.Is(err, env.ErrPathTooLong) {
		t.Errorf("%v", err)
	}
}
