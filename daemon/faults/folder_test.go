//go:build linux && system

package faults

import (
	"os"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// F3: the home is deleted and made again, a few times. The login goes with it,
// and the next one is adopted and refreshed.
func TestFolderDeletedAndRecreated(t *testing.T) {
	t.Parallel()
	const fault = "the home deleted and made again"
	s := newScene(t, idp.Config{})
	s.socketOutside()
	s.newLogin()
	s.serve()
	s.wantAlive()
	rounds := testkit.Long(3, 30)
	for range rounds {
		s.Eventually("the home is deleted", func() bool { return os.RemoveAll(s.Home) == nil }) // the daemon may still be writing
		s.wantLoggedOut()
		s.Must(os.Mkdir(s.Home, 0o700))
		s.newLogin()
		s.wantAlive()
	}
	s.wantWell()
	table.Report(t, fault, testkit.Count(rounds, "time"), "a logout at once; each new login adopted and refreshed")
}

// F3: a home that was moved away and comes back brings its login back.
func TestFolderMovedAndBack(t *testing.T) {
	t.Parallel()
	const fault = "the home moved away and back"
	s := newScene(t, idp.Config{})
	s.socketOutside()
	s.newLogin()
	s.serve()
	s.wantAlive()
	rounds := testkit.Long(3, 30)
	for range rounds {
		s.Must(os.Rename(s.Home, s.Home+".away"))
		s.wantLoggedOut()
		s.Must(os.Rename(s.Home+".away", s.Home))
		s.wantAlive()
	}
	s.wantWell()
	table.Report(t, fault, testkit.Count(rounds, "time"), "0 logins lost")
}

// F3: a home that goes away after the issuer's commit may have been deleted or
// moved. Nobody gets what comes in; moved back, it holds the answer's place,
// which is settled.
func TestFolderGoneDuringRefresh(t *testing.T) {
	t.Parallel()
	s := newScene(t, idp.Config{})
	s.socketOutside()
	s.newLogin()
	s.serve()
	s.wantAlive()
	hold := idp.NewHold()
	s.IDP.Inject(hold.After())
	s.dueLogin()
	s.arrival(hold)
	s.Must(os.Rename(s.Home, s.Home+".away"))
	close(hold.Release)
	s.wantLoggedOut()
	s.Must(os.Rename(s.Home+".away", s.Home))
	s.wantAlive()
	s.wantWell()
	table.Report(t, "the home moved away after the issuer's commit, and back", "1 refresh", "the answer settled from its place")

	hold = idp.NewHold()
	s.IDP.Inject(hold.After())
	s.dueLogin()
	s.arrival(hold)
	s.Must(os.RemoveAll(s.Home))
	close(hold.Release)
	s.wantLoggedOut()
	s.Must(os.Mkdir(s.Home, 0o700))
	s.newLogin()
	s.wantAlive()
	s.wantWell()
	table.Report(t, "the home deleted after the issuer's commit, and made again", "1 refresh", "a logout; the next login adopted and refreshed")
}

// wantLoggedOut waits until nothing is served any more.
func (s *scene) wantLoggedOut() {
	s.Helper()
	s.Eventually("the login is forgotten", func() bool {
		_, err := s.get()
		return err != nil
	})
}
