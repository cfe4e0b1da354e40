package daemon

import (
	"context"
	"time"
)

// S5: from SIGTERM, or stop, to the end of Run takes less than 20 s, whatever clients
// do. These are the moments, counted from the first:
//
//	0     nothing new is begun: no refresh, store, erase or question for a team
//	1 s   what spends nothing is given up, and nobody gets the lock who waits for it
//	2 s   others must have taken their answers (S7), 5 s: the owner's programs
//	18 s  the last refresh that can be under way has ended by itself (F1's 17 s), and
//	      its successors (a login that was stored) had the lock, or do not get it
//	19 s  Run returns, whoever still hangs: a disk, or a descriptor that a client
//	      has passed and whose close waits for its sender
const (
	sideEnd    = time.Second
	shareGrace = 2 * time.Second // others' answers cross a network at most: some round trips
	ownerGrace = 5 * time.Second // a machine under load must not cost the owner's programs theirs
	lateGrace  = time.Second     // for answers that waited for the refresh past those
	lastEnd    = sideEnd + holdMax
	totalEnd   = lastEnd + time.Second
)

// ending is the end of a daemon, as those see it who may have to wait for something
// else than a client. Nobody's patience is longer than its context.
type ending struct {
	begun context.Context // no more work is taken on
	side  context.Context // requests that spend nothing, and the wait for the lock
	last  context.Context // everything else
	total context.Context // Run
}

// endingWith is for a daemon that is asked to end when ctx ends.
func endingWith(ctx context.Context) ending {
	return ending{ctx, after(ctx, sideEnd), after(ctx, lastEnd), after(ctx, totalEnd)}
}

// over says whether the end has begun.
func (e ending) over() bool { return e.begun.Err() != nil }

// after ends d later than ctx.
func after(ctx context.Context, d time.Duration) context.Context {
	later, end := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(d, end) })
	return later
}
