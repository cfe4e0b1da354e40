//go:build linux || darwin || windows

package socket

import (
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/testkit"
)

// S1: a daemon that was killed, or ends, gives its lock back a moment after its socket. Who is started
// in between does not say that it runs.
func TestLockOfWhoEndsIsWaitedFor_S1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(testkit.ShortDir(t), "s")
		dying, err := fsx.TryLockPath(path + ".lock")
		testkit.Must(t, err)
		var lock *fsx.Lock
		claimed := make(chan error)
		go func() {
			l, err := claim(path)
			lock = l
			claimed <- err
		}()
		synctest.Wait() // it has met the lock
		dying.Close()
		testkit.Must(t, <-claimed)
		lock.Close()
	})
}
