//go:build linux && system

package faults

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// R4, S5: kill -9 before and after each system call of a refresh that touches
// the home or the issuer. The next start finds a login that lives.
func TestKillAtEverySyscall(t *testing.T) {
	const fault = "kill -9 at each system call boundary of a refresh, 5 s overlap"
	table.NeedRoot(t, fault)
	s := newScene(t, idp.Config{Overlap: overlap})
	s.newLogin()
	s.serve()
	s.wantAlive()
	s.stop()
	met, hit, unreached := map[string]bool{}, 0, 0
	for n := 1; unreached < 3; { // three in a row that ended unharmed: there are no more
		labels, ended := s.traced(n)
		for _, label := range labels {
			met[label] = true
		}
		if ended {
			unreached++
		} else {
			unreached, hit, n = 0, hit+1, n+1
		}
		s.serve()
		if err := s.settle(testkit.Patience); err != nil {
			t.Fatalf("killed at boundary %d, %s: the login was lost: %v", len(labels), labels[len(labels)-1], err)
		}
		s.stop()
	}
	s.serve()
	s.wantWell()
	s.wantBoundaries(met)
	table.Report(t, fault, testkit.Count(hit, "boundary")+" ("+testkit.Count(len(met), "")+" different)", "0 logins lost")
}

// traced lets a daemon refresh and kills it at the n-th boundary. ended says
// that the refresh ended before it came to that.
func (s *scene) traced(n int) (labels []string, ended bool) {
	s.Helper()
	before, _, err := s.tokens()
	if err != nil {
		s.Fatal(err)
	}
	s.login(before)
	stderr, err := os.OpenFile(filepath.Join(s.Base, "stderr"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		s.Fatal(err)
	}
	defer stderr.Close()
	over := make(chan struct{})
	tr := &tracer{home: s.Home, at: n, over: over}
	done := make(chan error, 1)
	go func() { done <- tr.run(s.bin, s.Env(), stderr) }()
	dead := false
	s.Eventually("the traced daemon refreshes or dies", func() bool {
		select {
		case err = <-done:
			dead = true
			return true
		default:
			return s.alive() == nil
		}
	})
	if !dead {
		close(over)
		s.alive() // a system call, so that the tracer looks up
		err = <-done
	}
	if err != nil {
		s.Fatal(err)
	}
	return tr.labels, !dead
}

// wantBoundaries makes sure that the tracer saw what a refresh is made of.
func (s *scene) wantBoundaries(met map[string]bool) {
	s.Helper()
	for _, label := range []string{
		"openat .portalock", "flock .portalock", "openat .falcred-spending", "pwrite64 .falcred-spending",
		"fsync .falcred-spending", "fsync home", "connect issuer", "write issuer", "read issuer",
		"write .falcred.json.tmp", "fsync .falcred.json.tmp", "renameat .falcred.json.tmp",
		"ftruncate .falcred-spending", "renameat .falcred-spending",
	} {
		if !met["before "+label] || !met["after "+label] {
			s.Errorf("no boundary of %q was met: nothing is tested there", label)
		}
	}
}
