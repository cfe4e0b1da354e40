package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
)

// §3, R1: fifty scripts find no daemon and a token that has run out, and are all served by one
// daemon after one refresh.
func TestFiftyHelpersStartFalcred_Section3_R1(t *testing.T) {
	s := newStage(t, idp.Config{})
	refresh, _, _ := s.IDP.Login("ann")
	s.expired(refresh, false)
	begun := time.Now()
	secrets, failures := s.crowd(50, []string{s.Sock}, nil)
	took := time.Since(begun).Round(time.Millisecond)
	pid := s.ownDaemon()
	if _, access := s.tokens(); secrets[access] != 50 || s.IDP.Stats().TokenRequests != 1 {
		t.Errorf("%d of 50 helpers got the file's token, after %d refreshes", secrets[access], s.IDP.Stats().TokenRequests)
	}
	s.killDaemon(pid)
	t.Logf("| 50 helpers start falcred on demand | %d failures, 1 refresh, %s |", failures, took)
}

// R4, S5: a daemon that is killed while helpers wait for it, its refresh committed at the issuer
// and not yet answered, is started anew by one of them, and all are served. The login lives.
func TestHelpersOutliveTheirDaemon_R4_S5(t *testing.T) {
	s := newStage(t, idp.Config{Overlap: time.Hour})
	refresh, _, _ := s.IDP.Login("ann")
	s.expired(refresh, false)
	const helpers = 20
	begun, failed, killed := time.Now(), 0, map[int]bool{}
	for range max(rounds(40), 4) {
		hold := idp.NewHold()
		s.IDP.Inject(hold.After())
		failures := make(chan int)
		go func() {
			_, n := s.crowd(helpers, []string{s.Sock}, nil)
			failures <- n
		}()
		<-hold.Arrived
		pid := s.ownDaemon()
		s.killDaemon(pid)
		close(hold.Release)
		failed += <-failures
		killed[pid] = true
		refresh, _ := s.tokens()
		s.expired(refresh, false)
	}
	_, last := s.crowd(1, []string{s.Sock}, nil) // those before may all have been served before the kill, and need no next daemon
	failed += last
	s.settled([]string{s.Sock})
	if refresh, _ := s.tokens(); !s.IDP.Alive(refresh) || s.IDP.Stats().ReuseDetections != 0 || failed != 0 {
		t.Errorf("alive %t, %d reuse detections, %d helpers failed", s.IDP.Alive(refresh), s.IDP.Stats().ReuseDetections, failed)
	}
	s.killDaemon(s.ownDaemon())
	t.Logf("| a daemon killed in the middle of a refresh, %d helpers at it | %d times: %d helpers failed, the login alive, %s |",
		helpers, len(killed), failed, time.Since(begun).Round(time.Millisecond))
}

// ownDaemon is the number of the daemon that serves.
func (s *stage) ownDaemon() (pid int) {
	s.Helper()
	status, err := s.status(s.Sock)
	s.Must(err)
	return status.PID
}

// killDaemon kills a daemon that was started on demand, and waits for its end as far as a process
// that is no child can.
func (s *stage) killDaemon(pid int) {
	s.Helper()
	p, err := os.FindProcess(pid)
	s.Must(err)
	s.Must(p.Kill())
	p.Wait()
	s.Eventually("it is gone", func() bool { // a next one may be there by now
		status, err := s.status(s.Sock)
		return err != nil || status.PID != pid
	})
}

// S10: the file of a program that runs is replaced by a rename, on Windows the old one's first, and
// the next daemon is the new program.
func TestAProgramIsReplacedWhileItRuns_S10(t *testing.T) {
	s := newStage(t, idp.Config{})
	s.bin = testkit.ShortDir(t)
	for _, program := range []string{"falcred", "docker-credential-fal"} {
		s.Must(testkit.Install(filepath.Join(bin, program+testkit.Exe), filepath.Join(s.bin, program+testkit.Exe)))
	}
	falcred := filepath.Join(s.bin, "falcred"+testkit.Exe)
	refresh, _, _ := s.IDP.Login("ann")
	s.expired(refresh, false)
	get := func() error {
		_, err := s.run(s.Sock, protocol.DefaultServer, nil, "get").credential()
		return err
	}
	s.Must(get())
	old := s.ownDaemon()
	s.Must(testkit.Install(filepath.Join(bin, "falcred"+testkit.Exe), falcred+".new"))
	s.Must(os.Rename(falcred, falcred+".old"))
	s.Must(os.Rename(falcred+".new", falcred))
	s.Must(get()) // by the old one, which serves on
	if pid := s.ownDaemon(); pid != old {
		t.Errorf("process %d serves, not %d", pid, old)
	}
	c := &helper.Client{Socket: s.Sock}
	_, err := c.End(t.Context())
	s.Must(err)
	c.Close()
	s.Eventually("it has ended, and made way for the next", func() bool {
		err := get() // which the old one may answer with its last breath
		status, gone := s.status(s.Sock)
		return err == nil && gone == nil && status.PID != old
	})
	pid := s.ownDaemon()
	s.Eventually("the old program's file can go", func() bool { return os.Remove(falcred+".old") == nil })
	s.killDaemon(pid)
	t.Log("| a running falcred's file is replaced | " + fmt.Sprint("process ", old, " serves on, then ", pid) + " |")
}
