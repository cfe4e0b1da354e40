package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// behind is a handler whose records somebody else writes: who logs waits for nobody, however long
// a pipe that is not read, or the journal, hangs. What is more than maxBehind is left out, and counted.
type behind struct {
	slog.Handler
	queue chan func()
	left  *atomic.Int64
}

// maxBehind is more than a daemon logs in a busy minute.
const maxBehind = 1024

// writtenIn is how long the end of a program waits for what is still to be written.
const writtenIn = 500 * time.Millisecond

// newBehind returns a handler, and what waits at the end until all is written, or hangs.
func newBehind(h slog.Handler) (b slog.Handler, wait func()) {
	queue, done := make(chan func(), maxBehind), make(chan struct{})
	go func() {
		for write := range queue {
			if write == nil {
				close(done)
				return
			}
			write()
		}
	}()
	return behind{h, queue, new(atomic.Int64)}, func() {
		late := time.After(writtenIn)
		select {
		case queue <- nil:
		case <-late:
			return
		}
		select {
		case <-done:
		case <-late:
		}
	}
}

// Handle never waits, and never fails.
func (b behind) Handle(ctx context.Context, r slog.Record) error {
	r = r.Clone()
	write := func() {
		if n := b.left.Swap(0); n > 0 {
			b.Handler.Handle(ctx, slog.NewRecord(r.Time, slog.LevelWarn, fmt.Sprintf("%d lines of the log are left out: the program that reads it is too slow", n), 0))
		}
		b.Handler.Handle(ctx, r)
	}
	select {
	case b.queue <- write:
	default:
		b.left.Add(1)
	}
	return nil
}

// WithAttrs is a handler whose records have these too.
func (b behind) WithAttrs(attrs []slog.Attr) slog.Handler {
	b.Handler = b.Handler.WithAttrs(attrs)
	return b
}

// WithGroup is a handler whose attributes have a name before theirs.
func (b behind) WithGroup(name string) slog.Handler {
	b.Handler = b.Handler.WithGroup(name)
	return b
}
