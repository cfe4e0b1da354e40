//go:build linux && system

package faults

import (
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"golang.org/x/sys/unix"
)

// faultsDuring come when the issuer has committed and its answer is on its way.
// kept says that the answer reaches the token file all the same: its space was
// reserved. Where not, it is in memory until the disk works again.
var faultsDuring = []struct {
	diskFault
	kept bool
}{
	{diskFault{"a full disk (ENOSPC)", "size=512k", (*scene).fill}, true},
	{diskFault{"no inodes left (ENOSPC)", "size=512k,nr_inodes=40", (*scene).fillInodes}, true},
	{diskFault{"RLIMIT_FSIZE (EFBIG)", "size=512k", func(s *scene) func() {
		s.limitFiles(16)
		return func() { s.limitFiles(unix.RLIM_INFINITY) }
	}}, false},
	// The kernel refuses a read-only remount while the place is open for writing,
	// so what a disk that failed into that mode answers is played.
	{diskFault{"a read-only filesystem (EROFS)", "size=512k", func(s *scene) func() {
		return s.strace("-e", "inject=pwrite64,ftruncate,fsync,rename,renameat,renameat2,unlinkat:error=EROFS")
	}}, false},
	{diskFault{"every fsync fails (EIO)", "size=512k", func(s *scene) func() {
		return s.strace("-e", "inject=fsync:error=EIO")
	}}, false},
	{diskFault{"every rename fails (EACCES)", "size=512k", func(s *scene) func() {
		return s.strace("-e", "inject=rename,renameat,renameat2:error=EACCES")
	}}, false},
	{diskFault{"every rename fails (EIO)", "size=512k", func(s *scene) func() {
		return s.strace("-e", "inject=rename,renameat,renameat2:error=EIO")
	}}, false},
}

// R5: what the issuer has sent is on disk, or in memory and served until it can
// be written, and it is not asked again.
func TestDiskDuringRefresh(t *testing.T) {
	for _, f := range faultsDuring {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			fault := f.name + ", after the issuer's commit"
			needMounts(t, fault)
			table.NeedTool(t, fault, "strace")
			s := newScene(t, idp.Config{})
			s.tmpfs(f.options)
			old, end := s.struck(f.diskFault)
			survived := "the answer's place held it, on disk at once"
			if f.kept {
				s.wantAlive()
			} else {
				s.wantFromMemory(old)
				survived = "served from memory meanwhile, on disk afterwards, the issuer asked once"
			}
			end()
			s.wantAlive()
			if n := s.IDP.Stats().TokenRequests; n != 2 {
				t.Errorf("the issuer was asked %d times, want 2", n)
			}
			s.wantWell()
			table.Report(t, fault, "1 refresh", survived)
		})
	}
}

// struck brings a daemon to where the issuer has committed its second refresh,
// and breaks its disk there.
func (s *scene) struck(f diskFault) (old string, end func()) {
	s.Helper()
	s.newLogin()
	s.serve()
	s.wantAlive()
	hold := idp.NewHold()
	s.IDP.Inject(hold.After())
	_, old = s.dueLogin()
	s.arrival(hold)
	end = f.begin(s)
	close(hold.Release)
	return old, end
}

// arrival waits until the issuer has committed what it holds.
func (s *scene) arrival(hold *idp.Hold) {
	s.Helper()
	select {
	case <-hold.Arrived:
	case <-time.After(testkit.Patience):
		s.Fatal("no refresh came to the issuer")
	}
}

// wantFromMemory wants the new token to be served although the file cannot take
// it, and to stay served while writing it is tried again.
func (s *scene) wantFromMemory(old string) {
	s.Helper()
	s.Eventually("the new token is served from memory", func() bool {
		got, err := s.get()
		return err == nil && got != old
	})
	if refresh, _, err := s.tokens(); err != nil || s.IDP.Alive(refresh) {
		s.Fatalf("the file took the new token: nothing is tested (%v)", err)
	}
	fresh, err := s.get()
	if err != nil {
		s.Fatal(err)
	}
	s.wantUnspent(fresh, 1)
}
