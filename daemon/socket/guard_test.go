//go:build linux || darwin || windows

package socket

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/testkit"
)

// S1: a daemon whose socket somebody has removed or replaced ends, so that
// another can take its place; one whose socket stands goes on.
func TestS1LostSocketEndsTheDaemon(t *testing.T) {
	for name, lose := range map[string]func(path string) error{
		"removed":  os.Remove,
		"replaced": func(path string) error { os.Remove(path); return os.WriteFile(path, nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			path := in(t)
			s := open(t, Options{Path: path})
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan error, 1)
				go func() { ended <- s.Guard(t.Context(), clock.Plain()) }()
				time.Sleep(10 * time.Minute) // the fake clock's: returns at once
				synctest.Wait()
				select {
				case err := <-ended:
					t.Fatalf("ended while the socket stood: %v", err)
				default:
				}
				testkit.Must(t, lose(path))
				if err := <-ended; !errors.Is(err, ErrLost) {
					t.Fatalf("ended without saying why: %v", err)
				}
			})
		})
	}
}

// S5: the daemon's end ends it, without an error.
func TestGuardEndsWithTheDaemon_S5(t *testing.T) {
	s := open(t, Options{Path: in(t)})
	ctx, end := context.WithCancel(t.Context())
	end()
	if err := s.Guard(ctx, clock.New()); err != nil {
		t.Error(err)
	}
}
