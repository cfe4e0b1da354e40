//go:build linux && system

package attacks

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
)

const unusable = "the token file cannot be used\" cause="

// foreign are the ways in which a home can hold what is another's.
var foreign = map[string]struct {
	prepare func(s *scene, precious string)
	refused bool   // the daemon does not even start
	said    string // by one that does, once
}{
	"the home is another's": {func(s *scene, _ string) {
		s.Must(os.Chown(s.Home, attacker, attacker))
		s.Must(os.Chmod(s.Home, 0o777))
	}, true, ""},
	"the home is everybody's": {func(s *scene, _ string) { s.Must(os.Chmod(s.Home, 0o777)) }, true, ""},
	"the token file is another's": {func(s *scene, _ string) {
		s.Must(os.Chown(s.File, attacker, attacker))
		s.Must(os.Chmod(s.File, 0o644))
	}, false, unusable},
	"the token file is a hard link to another's": {func(s *scene, precious string) {
		s.Must(os.Remove(s.File))
		s.Must(os.Link(precious, s.File))
	}, false, unusable},
	"the token file is a symlink to another's": {func(s *scene, precious string) {
		s.Must(os.Remove(s.File))
		s.Must(os.Symlink(precious, s.File))
	}, false, unusable},
	".portalock is a symlink to another's file":      {func(s *scene, precious string) { s.Must(os.Symlink(precious, s.Home+"/.portalock")) }, false, "set aside as damaged"},
	"falcred.json is a symlink to another's file":    {func(s *scene, precious string) { s.Must(os.Symlink(precious, s.Home+"/falcred.json")) }, false, "set aside as damaged"},
	"falcred.history is a symlink to another's file": {func(s *scene, precious string) { s.Must(os.Symlink(precious, s.Home+"/falcred.history")) }, false, "set aside as damaged"},
	"falcred.json is a hard link to another's file":  {func(s *scene, precious string) { s.Must(os.Link(precious, s.Home+"/falcred.json")) }, false, "set aside as damaged"},
}

// F2, F6, F1: files and folders that are another's are neither used nor
// changed, and nothing is sent for them.
func TestFilesOfOthers(t *testing.T) {
	const attack = "a home, token file, lock or note that is another's, hard or symbolically linked to another's, or in everybody's hands"
	table.NeedRoot(t, attack)
	for name, c := range foreign {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, idp.Config{})
			s.login(2 * time.Hour) // due: whatever can be refreshed is
			s.belongTo(victim)
			s.Must(os.Chmod(s.Base, 0o755))
			precious := s.Base + "/precious"
			s.Must(writeMode(precious, []byte("somebody's\nfile"), 0o666)) // only falcred itself spares it
			s.Must(os.Chown(precious, attacker, attacker))
			c.prepare(s, precious)
			if c.refused {
				if out, code := s.run("", "falcred", "run"); code != exitMistake || strings.Count(out, "\n") > 2 {
					t.Errorf("run: exit %d, %s", code, out)
				}
			} else {
				s.serve()
				s.Must(s.Ask("status", nil))
				for range 10 {
					if _, err := s.get(); err == nil && strings.HasPrefix(name, "the token file") {
						t.Error("it is served")
					}
				}
				s.run("", "falcred", "doctor")
				if c.said != "" {
					s.wantLines(1, c.said)
				}
				s.end(syscall.SIGTERM)
			}
			data, err := os.ReadFile(precious)
			info, statErr := os.Stat(precious)
			s.Must(statErr)
			stat := info.Sys().(*syscall.Stat_t)
			if err != nil || string(data) != "somebody's\nfile" || info.Mode().Perm() != 0o666 || stat.Uid != attacker {
				t.Errorf("the other's file holds %q, %v, uid %d", data, info.Mode(), stat.Uid)
			}
			if strings.HasPrefix(name, "the ") && s.sent() > 0 {
				t.Error("the issuer was asked")
			}
			s.wantNoLeakIn(s.Logged.String())
		})
	}
	t.Cleanup(func() {
		table.Report(t, attack, fmt.Sprintf("%d ways", len(foreign)), "refused, left alone or set aside, and unchanged; the issuer was not asked for them")
	})
}
