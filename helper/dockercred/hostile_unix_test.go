//go:build linux || darwin

package dockercred

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	falenv "github.com/falcred/falcred/protocol/env"
)

// F3: whatever stands where a file or a socket should be, nothing is waited for.
func TestNoFIFOHoldsTheHelper_F3(t *testing.T) {
	fifo := func(path string) error { return syscall.Mkfifo(path, 0o600) }
	held := func(path string) error { // with a writer that writes nothing
		err := fifo(path)
		writer, openErr := os.OpenFile(path, os.O_RDWR, 0)
		if openErr == nil {
			t.Cleanup(func() { writer.Close() })
		}
		return errors.Join(err, openErr)
	}
	things := map[string]func(string) error{
		"a FIFO": fifo, "a FIFO with a writer": held,
		"a device": func(path string) error { return os.Symlink("/dev/zero", path) },
		"a folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"a loop":   func(path string) error { return os.Symlink(path, path) },
	}
	for what, make := range things {
		for _, name := range []string{falenv.TokenFile, "falcred.sock", "falcred.sock.start", "falcred.sock.lock", "falcred.env", "falcred.json"} {
			home := testkit.ShortDir(t)
			if name != falenv.TokenFile {
				login(t, home)
			}
			if err := make(filepath.Join(home, name)); err != nil {
				t.Fatal(err)
			}
			env := empty(t, "FAL_HOME_DIR", home)
			begun := time.Now()
			got := runIn(env, "", "token")
			if got.code == 0 || got.out != "" || got.err == "" || time.Since(begun) > readiness {
				t.Errorf("%s as %s: %+v after %s", what, name, got, time.Since(begun))
			}
		}
	}
}
