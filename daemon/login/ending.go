package login

import (
	"context"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// From SIGTERM, or stop, to the end of the daemon takes less than 20 s, whatever clients do.
// These are the moments, counted from the first:
//
//	0     nothing new is begun: no rotation, store, erase or question for a team
//	1 s   what consumes nothing is given up, and nobody gets the lock who waits for it
//	2 s   others must have taken their answers, 5 s: the owner's programs
//	18 s  the last rotation that can be under way has ended by itself (HoldMax), and
//	      its successors (a login that was stored) had the lock, or do not get it
//	19 s  the daemon ends, whoever still hangs: a disk, or a descriptor that a client
//	      has passed and whose close waits for its sender
const (
	sideEnd = time.Second
	lastEnd = sideEnd + tokenfile.HoldMax
	// TotalEnd is the longest that a daemon takes to end after it was asked to.
	TotalEnd = lastEnd + time.Second
)

// ending is the end of a daemon, as those see it who may have to wait for something else
// than a client. Nobody's patience is longer than its context.
type ending struct {
	begun context.Context // no more work is taken on
	side  context.Context // requests that consume nothing, and the wait for the lock
	last  context.Context // everything else
}

// endingWith is for a daemon that is asked to end when ctx ends.
func endingWith(ctx context.Context) ending {
	return ending{ctx, clock.After(ctx, sideEnd), clock.After(ctx, lastEnd)}
}

// over says whether the end has begun.
func (e ending) over() bool { return e.begun.Err() != nil }
