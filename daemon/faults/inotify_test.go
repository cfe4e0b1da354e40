//go:build linux && system

package faults

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// F3, R2: with no inotify to be had the login is refreshed on time, and a
// change of the file is seen by the first get that needs one, or within a
// minute.
func TestInotifyExhausted(t *testing.T) {
	for _, limit := range []string{"inotify-instances", "inotify-watches"} {
		t.Run(limit, func(t *testing.T) {
			t.Parallel()
			fault := "no " + strings.ReplaceAll(limit, "-", " ") + " left"
			if !userNamespaces() {
				table.Missing(t, fault, "user namespaces")
			}
			s := newScene(t, idp.Config{Lifetime: 4 * time.Second})
			s.attr = ownUserNamespace()
			s.role = limit + "=0"
			s.newLogin()
			s.serve()
			s.wantAlive()
			if !strings.Contains(strings.Join(s.state().Warnings, "\n"), "inotify") {
				t.Fatalf("the daemon has what it was to lack: %v", s.state().Warnings)
			}
			s.wantRefreshes(2)
			s.IDP.SetConfig(func(c *idp.Config) { c.Lifetime = 24 * time.Hour })
			s.Eventually("the next refresh is on time", func() bool { return time.Until(s.state().Expires) > time.Hour })
			s.wantAlive()
			s.wantNoticed()
			s.unwatched = true
			s.wantWell()
			table.Report(t, fault, "5 refreshes, 1 new login", "refreshed on time; the new login seen by a get")
		})
	}
}

// wantNoticed writes another login, and wants it to be served once somebody has
// no use for the one before.
func (s *scene) wantNoticed() {
	s.Helper()
	old, err := s.get()
	s.Must(err)
	refresh, access, _ := s.IDP.Login("bob") // the same account would be refreshed at once: login's competingWindow
	s.write(refresh + "\n" + access)
	if os.Getenv(testkit.LongVariable) != "" { // without anybody's need, within a minute
		testkit.Within(2*time.Minute, func() bool { return s.alive() == nil })
	}
	var got protocol.Credential
	s.Must(s.Ask(`get {"ServerURL":"`+protocol.DefaultServer+`","Rejected":"`+old+`"}`, &got))
	if string(got.Secret) != access {
		s.Error("the new login is not served")
	}
	s.wantAlive()
}

// wantRefreshes waits for n refreshes that the daemon makes by itself.
func (s *scene) wantRefreshes(n int) {
	s.Helper()
	until := s.IDP.Stats().Refreshes + n
	s.Eventually("the daemon refreshes on time", func() bool { return s.IDP.Stats().Refreshes >= until })
	s.wantAlive()
}

// ownUserNamespace maps our user to root: limits can be set in it.
func ownUserNamespace() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
}

func userNamespaces() bool {
	p, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{Sys: ownUserNamespace()})
	if err != nil {
		return false
	}
	state, err := p.Wait()
	return err == nil && state.Success()
}
