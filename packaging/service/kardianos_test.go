package service

import (
	"context"
	"errors"
	"testing"
)

// What ends by itself returns its own error, and what is to end is asked, once.
func TestRunReturnsWhatTheProgramDoes_S11(t *testing.T) {
	mistake := errors.New("a mistake")
	if err := Run(t.Context(), func(context.Context) error { return mistake }); err != mistake {
		t.Errorf("by itself: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := Run(ctx, func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("asked to end: %v", err)
	}
}

// kardianos knows no limit of time.
func TestNoManagerHoldsUs(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	release := make(chan struct{})
	defer close(release)
	cancel(errManager)
	if err := bounded(ctx, func() error { <-release; return nil }); err != errManager {
		t.Errorf("%v", err)
	}
}
