//go:build linux && system

package faults

import (
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
)

// diskKills are failures after which the daemon is killed before it could try
// the disk again.
var diskKills = []struct {
	name, survived string
	overlap        time.Duration // 0 where the answer is on the disk
	begin          func(*scene) (end func())
}{
	// R5: the answer lies sealed beside the token file.
	{"every rename fails (EIO)", "settled from the disk at the next start, no overlap needed", 0, func(s *scene) func() {
		return s.strace("-e", "inject=rename,renameat,renameat2:error=EIO")
	}},
	// R4: it could not even be written. An overlap helps, if the token is replayed.
	{"every fsync fails (EIO)", "replayed at the next start, in the overlap", time.Hour, func(s *scene) func() {
		return s.strace("-e", "inject=fsync:error=EIO")
	}},
	{"fsync of the answer's place fails (EIO)", "replayed at the next start, in the overlap", time.Hour, func(s *scene) func() {
		return s.strace("-P", s.placePath(), "-e", "inject=fsync:error=EIO")
	}},
}

// R4, R5, S5: kill -9 while a received answer cannot be brought to the disk.
func TestKillWhileTheDiskFails(t *testing.T) {
	for _, f := range diskKills {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			fault := f.name + " after the issuer's commit, then kill -9"
			table.NeedRoot(t, fault)
			table.NeedTool(t, fault, "strace")
			s := newScene(t, idp.Config{Overlap: f.overlap})
			old, end := s.struck(diskFault{begin: f.begin})
			s.Eventually("the new token is served from memory", func() bool {
				now, err := s.get()
				return err == nil && now != old
			})
			s.kill()
			end()
			s.serve()
			s.wantAlive()
			if n := s.IDP.Stats().ReuseDetections; n != 0 {
				t.Errorf("the issuer saw %d reuses", n)
			}
			s.wantWell()
			table.Report(t, fault, "1 kill", f.survived)
		})
	}
}
