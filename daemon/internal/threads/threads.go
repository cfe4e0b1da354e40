// Package threads has ready the threads that a refresh needs. A Go program starts another
// thread whenever all that it has are busy or wait for the kernel; where the system grants
// none, its runtime ends the process on the spot, and nothing can be done about it from
// inside. Between the sending of a refresh token and the record of its answer that would cost
// the login.
//
// So all threads are started at once, at the beginning ([Reserve]): an idle one is kept for
// ever and is the first to be used. Before each refresh it is asked whether there are still
// some to spare ([Ready]), and where there are not, it does not begin.
package threads

import (
	"runtime"
	"runtime/metrics"
	"sync"

	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/protocol/limits"
)

// needed is how many a refresh can use besides those that compute: it waits for the disk, and
// so do a request that reads the token file, the history, the hook and the schedule.
const needed = 6

// Reserve has as many threads ready as package limits says. Where the system grants fewer it
// is an error that names the limit, unless another process is faster in taking them.
func Reserve() error {
	n := limits.Threads()
	if p := limits.CheckThreads(n); p != nil {
		return p
	}
	start(n)
	return nil
}

// start has n threads at the same time, each held by a goroutine of its own.
func start(n int) {
	var all, ended sync.WaitGroup
	release := make(chan struct{})
	all.Add(n)
	for range n {
		ended.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread() // else the thread would end with the goroutine
			all.Done()
			<-release
		})
	}
	all.Wait()
	close(release)
	ended.Wait()
}

// Ready is nil where enough threads are idle for a refresh, by the runtime's own count, or can
// be started. It costs some microseconds. A simulation takes none.
func Ready() error {
	if task.Simulated() != nil || spare() >= needed {
		return nil
	}
	return Reserve()
}

// spare is how many threads neither compute nor wait for the kernel. Three are the runtime's
// own: the one that watches the others, the one that starts threads, and one that waits for
// the network.
func spare() int {
	sample := []metrics.Sample{{Name: "/sched/threads/total:threads"}, {Name: "/sched/goroutines/not-in-go:goroutines"}}
	metrics.Read(sample)
	return int(sample[0].Value.Uint64()) - int(sample[1].Value.Uint64()) - runtime.GOMAXPROCS(0) - 3 // #nosec G115 -- small numbers
}
