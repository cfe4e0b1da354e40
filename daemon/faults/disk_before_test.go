//go:build linux && system

package faults

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"golang.org/x/sys/unix"
)

// A diskFault takes the disk away and returns what gives it back.
type diskFault struct {
	name    string
	options string // of the home's tmpfs
	begin   func(*scene) (end func())
}

var faultsBefore = []diskFault{
	{"a full disk (ENOSPC)", "size=512k", (*scene).fill},
	{"no inodes left (ENOSPC)", "size=512k,nr_inodes=40", (*scene).fillInodes},
	{"a 16 KiB filesystem (ENOSPC)", "size=512k", func(s *scene) func() {
		s.remount("size=16k")
		return func() { s.remount("size=512k") }
	}},
	{"a read-only remount (EROFS)", "size=512k", func(s *scene) func() {
		s.readOnly(true)
		return func() { s.readOnly(false) }
	}},
	{"RLIMIT_FSIZE (EFBIG)", "size=512k", func(s *scene) func() {
		s.role = "fsize=512"
		return func() { s.limitFiles(unix.RLIM_INFINITY) }
	}},
	{"fsync of the answer's place fails (EIO)", "size=512k", func(s *scene) func() {
		return s.failing("-P", s.placePath(), "-e", "inject=fsync:error=EIO")
	}},
	{"fsync of the folder fails (EIO)", "size=512k", func(s *scene) func() {
		return s.failing("-P", s.Home, "-e", "inject=fsync:error=EIO")
	}},
	{"no file can be made (EACCES)", "size=512k", func(s *scene) func() {
		return s.failing("-P", s.placePath(), "-e", "inject=openat:error=EACCES")
	}},
}

// R4: while an answer could not be kept, nothing is used up, and the current
// token is served. When it can be kept again, it is refreshed.
func TestDiskBeforeRefresh(t *testing.T) {
	for _, f := range faultsBefore {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			fault := f.name + ", before a refresh"
			tried := testBefore(t, fault, f, func(s *scene, access string) int { return s.wantUnspent(access, 2) })
			table.Report(t, fault, "1 refresh due, "+testkit.Count(tried, "try"), "nothing sent, the current token served; refreshed once it could be kept")
		})
	}
}

// R4: the same for an hour.
func TestDiskFullForAnHour(t *testing.T) {
	t.Parallel()
	span := testkit.Long(6*time.Second, time.Hour)
	fault := "a disk that is full for " + span.String() + ", then not"
	testBefore(t, fault, faultsBefore[0], func(s *scene, access string) int {
		for end := time.Now().Add(span); time.Now().Before(end); {
			s.wantUnspent(access, 1)
		}
		return 0
	})
	table.Report(t, fault, span.String(), "nothing sent, the current token served throughout; refreshed afterwards")
}

// testBefore lets a daemon start with a refresh due, on a disk that is broken
// by then, and looks at it while that lasts.
func testBefore(t *testing.T, fault string, f diskFault, look func(s *scene, access string) int) (tried int) {
	t.Helper()
	needMounts(t, fault)
	s := newScene(t, idp.Config{})
	s.tmpfs(f.options)
	s.newLogin()
	s.serve()
	s.wantAlive() // the home has what falcred keeps in it
	s.stop()
	_, access := s.dueLogin()
	before := s.IDP.Stats().TokenRequests
	end := f.begin(s)
	s.serve()
	tried = look(s, access)
	if sent := s.IDP.Stats().TokenRequests - before; sent != 0 {
		t.Fatalf("%d refreshes were sent although their answers could not be kept", sent)
	}
	end()
	refreshed := testkit.Within(3*time.Minute, func() bool { // R7's pause is up to a minute
		now, err := s.get()
		return err == nil && now != access
	})
	if !refreshed {
		t.Fatal("the token was never refreshed")
	}
	s.wantAlive()
	if sent := s.IDP.Stats().TokenRequests - before; sent != 1 {
		t.Errorf("%d refreshes were sent in the end, want 1", sent)
	}
	s.role, s.wrap = "", nil
	s.wantWell()
	return tried
}

// wantUnspent waits until the daemon has failed to refresh n times more, and
// wants the current token to be served all the while.
func (s *scene) wantUnspent(access string, n int) (tried int) {
	s.Helper()
	var last string
	tries := testkit.Within(3*time.Minute, func() bool { // R7's pause is up to a minute
		if got, err := s.get(); err != nil || got != access {
			s.Fatalf("the current token is not served: %v", err)
		}
		status := s.state()
		if now := status.LastError + status.NextRefresh.String(); status.LastError != "" && now != last {
			last = now
			tried++
		}
		return tried > n // the first one seen may be an earlier one
	})
	if !tries {
		s.Fatal("the daemon no longer tries to refresh")
	}
	return tried
}

// limitFiles changes how large a file the running daemon may write.
func (s *scene) limitFiles(n uint64) {
	s.Helper()
	s.limit(unix.RLIMIT_FSIZE, n)
}

// limit changes a soft limit of the running daemon.
func (s *scene) limit(which int, n uint64) {
	s.Helper()
	var limit unix.Rlimit
	s.Must(unix.Prlimit(s.cmd.Process.Pid, which, nil, &limit))
	limit.Cur = min(n, limit.Max)
	s.Must(unix.Prlimit(s.cmd.Process.Pid, which, &limit, nil))
}

// placePath is where the answer to a refresh of the file's token will stand.
func (s *scene) placePath() string {
	s.Helper()
	refresh, _, err := s.tokens()
	if err != nil {
		s.Fatal(err)
	}
	sum := sha256.Sum256([]byte(refresh))
	return filepath.Join(s.Home, placePrefix+hex.EncodeToString(sum[:16]))
}
