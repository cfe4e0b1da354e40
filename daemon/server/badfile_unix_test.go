//go:build linux || darwin

package server

import (
	"bytes"
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

// badFiles are what can stand where the token file should.
var badFiles = map[string]func(path string) error{
	"binary":    func(p string) error { return os.WriteFile(p, []byte("\x7fELF\x02\x01\x01\x00\x00"), 0o600) },
	"10 MB":     func(p string) error { return os.WriteFile(p, bytes.Repeat([]byte("a"), 10<<20), 0o600) },
	"folder":    func(p string) error { return os.Mkdir(p, 0o700) },
	"fifo":      func(p string) error { return syscall.Mkfifo(p, 0o600) },
	"link loop": func(p string) error { return os.Symlink(filepath.Base(p), p) },
	"device":    func(p string) error { return os.Symlink("/dev/zero", p) },
	"unreadable": func(p string) error {
		if err := os.WriteFile(p, []byte("refresh"), 0o000); err != nil || os.Getuid() != 0 {
			return err
		}
		return os.Chown(p, 12345, 12345) // root reads what has no mode
	},
}

// A thing that is no token file is a clear error with its code, at the start
// and later; it costs nothing that was there, and is no logout.
func TestBadTokenFile(t *testing.T) {
	t.Parallel()
	for name, create := range badFiles {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, idp.Config{})
			if err := create(h.File); err != nil {
				t.Fatal(err)
			}
			h.serve(nil)
			e := h.Dial().WantCode("get https://fal.run", protocol.CodeInternal)
			if strings.Contains(e.Message, "internal error") {
				t.Errorf("the error does not say what is wrong: %q", e.Message)
			}
			if s := h.Status(); s.LastError == "" || s.Hint == "" {
				t.Errorf("status does not say what is wrong: %+v", s)
			}

			// Mended, it serves at once.
			os.RemoveAll(h.File)
			_, access := h.SignIn("ann")
			w := h.Dial()
			w.Send("watch https://fal.run\n")
			w.Until(access)

			// And again, by a rename and so with no moment without a file:
			// memory goes on serving.
			good, err := os.ReadFile(h.File)
			if err != nil {
				t.Fatal(err)
			}
			bad := h.File + ".bad"
			if err := errors.Join(create(bad), os.Symlink(bad, h.File+".new"), os.Rename(h.File+".new", h.File)); err != nil {
				t.Fatal(err)
			}
			h.Eventually("the bad file is noticed", func() bool { return h.Status().LastError != "" })
			if got := h.Dial().Secret(); got != access {
				t.Errorf("memory does not go on serving: %.20q", got)
			}
			if testkit.Gone(bad) {
				t.Error("what stood there was removed")
			}
			if err := errors.Join(os.WriteFile(h.File+".new", good, 0o600), os.Rename(h.File+".new", h.File)); err != nil {
				t.Fatal(err)
			}
			h.Eventually("the error is gone", func() bool { return h.Status().LastError == "" })
			h.goodStill(access, good)
		})
	}
}
