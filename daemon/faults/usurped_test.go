//go:build linux && system

package faults

import (
	"os"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"golang.org/x/sys/unix"
)

// usurpers are things that can have the token file's name and hold no login of
// ours.
var usurpers = []struct {
	name string
	make func(s *scene, path string)
}{
	{"a FIFO", func(s *scene, path string) { s.Must(unix.Mkfifo(path, 0o600)) }},
	{"a folder", func(s *scene, path string) { s.Must(os.Mkdir(path, 0o700)) }},
	{"somebody else's file", func(s *scene, path string) {
		s.Must(os.WriteFile(path, []byte("their-token"), 0o644))
		s.Must(os.Chown(path, 12345, 12345))
	}},
}

// F3: what is no token file of ours is no logout and holds nobody up: the login
// in memory is served, nothing is used up, and the file's return is noticed.
func TestTokenFileUsurped(t *testing.T) {
	for _, f := range usurpers {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			fault := "the token file becomes " + f.name + ", before a refresh"
			table.NeedRoot(t, fault)
			s := newScene(t, idp.Config{Lifetime: 8 * time.Second})
			aside := s.usurp(func() { s.newLogin(); s.serve(); s.wantAlive() }, f.make)
			before, noticed := s.IDP.Stats().TokenRequests, s.state().LastError
			access, err := s.get()
			s.Must(err)
			s.Eventually("the refresh is due, and fails", func() bool { return s.state().LastError != noticed })
			if now, err := s.get(); err != nil || now != access {
				t.Errorf("the login in memory is not served: %v", err)
			}
			if n := s.IDP.Stats().TokenRequests; n != before {
				t.Errorf("a refresh was sent that the file could not take")
			}
			s.giveBack(aside)
			s.IDP.SetConfig(func(c *idp.Config) { c.Lifetime = time.Hour })
			s.wantWell()
			table.Report(t, fault, "1 refresh due", "nothing sent, the current token served; refreshed when the file was back")
		})
	}
}

// R5, F5: the same after the issuer's commit. The answer waits in its place,
// is served from memory, and is put where it belongs when the file is back.
func TestTokenFileUsurpedDuringRefresh(t *testing.T) {
	for _, f := range usurpers {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			fault := "the token file becomes " + f.name + ", after the issuer's commit"
			table.NeedRoot(t, fault)
			s := newScene(t, idp.Config{})
			hold := idp.NewHold()
			var old string
			aside := s.usurp(func() {
				s.newLogin()
				s.serve()
				s.wantAlive()
				s.IDP.Inject(hold.After())
				_, old = s.dueLogin()
				s.arrival(hold)
			}, f.make)
			close(hold.Release)
			s.Eventually("the new token is served from memory", func() bool {
				now, err := s.get()
				return err == nil && now != old
			})
			s.giveBack(aside)
			s.wantAlive()
			if n := s.IDP.Stats(); n.TokenRequests != 2 || n.ReuseDetections != 0 {
				t.Errorf("the issuer was asked %d times, want 2, and saw %d reuses", n.TokenRequests, n.ReuseDetections)
			}
			s.wantWell()
			table.Report(t, fault, "1 refresh", "served from memory meanwhile, in the file when that was back")
		})
	}
}

// usurp puts something into the token file's place when begin has done its
// part, and returns where the file is now. The exchange is one step: a file
// that is away for a moment is a logout (F3).
func (s *scene) usurp(begin func(), put func(*scene, string)) (aside string) {
	s.Helper()
	aside = s.Base + "/aside"
	put(s, aside)
	begin()
	s.exchange(aside)
	s.Eventually("the daemon has seen it", func() bool { return s.state().LastError != "" })
	return aside
}

func (s *scene) giveBack(aside string) {
	s.Helper()
	s.exchange(aside)
}

func (s *scene) exchange(aside string) {
	s.Helper()
	s.Must(unix.Renameat2(unix.AT_FDCWD, aside, unix.AT_FDCWD, s.File, unix.RENAME_EXCHANGE))
}
