//go:build linux && system

package faults

import (
	"fmt"
	"sync"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"golang.org/x/sys/unix"
)

// A capped daemon meets an answer of 100 MB and a crowd. RLIMIT_DATA counts
// what is mapped for writing, and needs neither root nor a cgroup; RLIMIT_AS
// would count the address space that Go reserves and never touches. The cap is
// set above what the idle daemon has, most of which Go maps and does not use.
func TestMemoryCapped(t *testing.T) {
	t.Parallel()
	const spare, clients = 32 << 20, 200
	s := newScene(t, idp.Config{})
	s.bin = plain // the race detector's shadow memory would be counted
	s.newLogin()
	s.serve()
	s.wantAlive()
	s.limit(unix.RLIMIT_DATA, uint64(s.proc("VmData"))<<10+spare)
	const size = 100 << 20
	rounds := testkit.Long(2, 20)
	for range rounds {
		s.IDP.Inject(idp.Huge(size))
		s.refreshQuietly(1)
		s.wantAlive()
		var crowd sync.WaitGroup
		for range clients {
			crowd.Go(func() {
				if _, err := s.get(); err != nil {
					t.Error(err)
				}
			})
		}
		crowd.Wait()
	}
	s.wantWell()
	table.Report(t, fmt.Sprintf("memory capped at %d MiB more than the idle daemon's (RLIMIT_DATA)", spare>>20),
		fmt.Sprintf("%s, each with an answer of %d MiB and %d clients at once", testkit.Count(rounds, "refresh"), size>>20, clients), "0 logins lost, everybody served")
}
