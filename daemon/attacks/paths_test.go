//go:build linux && system

package attacks

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
)

// S1, S2: what is at the socket's path before the start is replaced only where
// it is a dead socket of ours, and the reason is said in a line.
func TestSquattedSocket(t *testing.T) {
	const attack = "the socket's path squatted before the start: a file, a symlink, a FIFO, a folder, a living server; a folder that is another's or everybody's"
	table.NeedRoot(t, attack)
	squats := map[string]func(s *scene, path, precious string){
		"a file":              func(s *scene, path, _ string) { s.Must(os.WriteFile(path, []byte("x"), 0o600)) },
		"a symlink to a file": func(s *scene, path, precious string) { s.Must(os.Symlink(precious, path)) },
		"a dangling symlink":  func(s *scene, path, _ string) { s.Must(os.Symlink(s.Base+"/nothing", path)) },
		"a symlink to a living server": func(s *scene, path, _ string) {
			s.server(s.Base + "/elsewhere")
			s.Must(os.Symlink(s.Base+"/elsewhere", path))
		},
		"a FIFO":                              func(s *scene, path, _ string) { s.Must(syscall.Mkfifo(path, 0o600)) },
		"a folder":                            func(s *scene, path, _ string) { s.Must(os.Mkdir(path, 0o700)) },
		"a living server":                     func(s *scene, path, _ string) { s.server(path) },
		"the folder is writable by everybody": func(s *scene, path, _ string) { s.Must(os.Chmod(s.Base+"/run", 0o777)) },
		"the folder is sticky, as /tmp":       func(s *scene, path, _ string) { s.Must(os.Chmod(s.Base+"/run", 0o777|os.ModeSticky)) },
		"the folder is writable by a group":   func(s *scene, path, _ string) { s.Must(os.Chmod(s.Base+"/run", 0o770)) },
		"the folder is another's":             func(s *scene, path, _ string) { s.Must(os.Chown(s.Base+"/run", attacker, attacker)) },
	}
	for name, squat := range squats {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, idp.Config{})
			s.login(0)
			s.Must(os.Mkdir(s.Base+"/run", 0o700))
			precious := s.Base + "/precious"
			s.Must(os.WriteFile(precious, []byte("precious"), 0o600))
			s.Sock = s.Base + "/run/s"
			squat(s, s.Sock, precious)
			before := s.listing()
			begun := time.Now()
			out, code := s.run("", "falcred", "run")
			if lines := strings.Split(strings.TrimSpace(out), "\n"); code != 1 && code != exitMistake || len(lines) > 2 || !strings.Contains(out, "/run") {
				t.Errorf("exit %d after %v: %s", code, time.Since(begun), out)
			}
			s.wantNoLeakIn(out)
			if after := s.listing(); !slices.Equal(after, before) {
				t.Errorf("changed: %q, before: %q", after, before)
			}
			if data, err := os.ReadFile(precious); err != nil || string(data) != "precious" {
				t.Errorf("the other file holds %q: %v", data, err)
			}
		})
	}
	t.Cleanup(func() {
		table.Report(t, attack, fmt.Sprintf("%d ways", len(squats)), "it ends with a line that says why; what was there is unchanged")
	})
}

// listing is what is in the socket's folder, but for the daemon's lock.
func (s *scene) listing() (names []string) {
	s.Helper()
	entries, err := os.ReadDir(s.Base + "/run")
	s.Must(err)
	for _, entry := range entries {
		if !entry.Type().IsRegular() || entry.Name() != "s.lock" {
			names = append(names, entry.Name()+" "+entry.Type().String())
		}
	}
	return names
}
