//go:build linux && system

package faults

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"golang.org/x/sys/unix"
)

// A shape is what the token file can be, besides a file.
type shape struct {
	name string
	make func(s *scene, elsewhere string) // puts it there; elsewhere is a free path in another folder
	same func(s *scene, elsewhere string) bool

	unwatched bool // a change in it makes no event in the home: the minute's look has to do (F3)
}

// shapes are those that hold a login, and must stay what they are (F2).
var shapes = []shape{
	{"a symbolic link", func(s *scene, elsewhere string) {
		s.Must(os.Rename(s.File, elsewhere))
		s.Must(os.Symlink(elsewhere, s.File))
	}, func(s *scene, elsewhere string) bool {
		target, err := os.Readlink(s.File)
		return err == nil && target == elsewhere
	}, false},
	{"a hard link", func(s *scene, elsewhere string) {
		s.Must(os.Link(s.File, elsewhere))
	}, (*scene).sameFile, false},
	{"a bind mount", func(s *scene, elsewhere string) {
		data, err := os.ReadFile(s.File)
		s.Must(err)
		s.Must(os.WriteFile(elsewhere, data, 0o600))
		s.Must(unix.Mount(elsewhere, s.File, "", unix.MS_BIND, ""))
		s.Cleanup(func() { unix.Unmount(s.File, unix.MNT_DETACH) })
	}, (*scene).sameFile, true},
}

func (s *scene) sameFile(elsewhere string) bool {
	s.Helper()
	a, err := os.Stat(s.File)
	s.Must(err)
	b, err := os.Stat(elsewhere)
	s.Must(err)
	return os.SameFile(a, b)
}

// F2: a token file that is a link or a mount is refreshed, killed and restarted
// with, and stays what it is.
func TestTokenFileOfAnotherShape(t *testing.T) {
	for _, f := range shapes {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			fault := "the token file becomes " + f.name
			needMounts(t, fault)
			s := newScene(t, idp.Config{Overlap: overlap})
			other := filepath.Join(s.Base, "other")
			s.Must(os.Mkdir(other, 0o700))
			elsewhere := filepath.Join(other, "token")
			s.newLogin()
			s.serve()
			s.wantAlive()
			f.make(s, elsewhere)
			s.inPlace = true // a rename would end the shape
			s.unwatched = f.unwatched
			s.refreshQuietly(5)
			hold := idp.NewHold()
			s.IDP.Inject(hold.After())
			refresh, _, err := s.tokens()
			s.Must(err)
			s.expire(refresh)
			s.arrival(hold)
			s.kill()
			close(hold.Release)
			s.serve()
			s.wantAlive()
			s.wantWell()
			if !f.same(s, elsewhere) {
				t.Error("it is not ", f.name, " any more")
			}
			entries, err := os.ReadDir(other)
			if err != nil || len(entries) != 1 {
				t.Errorf("left beside the target: %v, %v", entries, err)
			}
			table.Report(t, fault, "7 refreshes, 1 kill", "it is still "+f.name)
		})
	}
}
