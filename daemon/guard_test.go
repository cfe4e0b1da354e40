package daemon

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/falcred/falcred/daemon/alarm"
)

// S1: a daemon whose socket somebody has removed or replaced ends, so that
// another can take its place; one whose socket stands goes on.
func TestS1LostSocketEndsTheDaemon(t *testing.T) {
	for name, lose := range map[string]func(path string) error{
		"removed":  os.Remove,
		"replaced": func(path string) error { os.Remove(path); return os.WriteFile(path, nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			own, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			s := &socket{path: path, bound: own}
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan error, 1)
				go func() { ended <- s.guard(t.Context(), alarm.Plain()) }()
				pass(10 * slowCheck)
				select {
				case err := <-ended:
					t.Fatalf("ended while the socket stood: %v", err)
				default:
				}
				if err := lose(path); err != nil {
					t.Fatal(err)
				}
				if err := <-ended; err == nil {
					t.Fatal("ended without saying why")
				}
			})
		})
	}
}
