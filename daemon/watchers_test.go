//go:build linux || darwin

package daemon

import (
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// A thousand watchers are all told of each rotation. How long after another
// program's rename the last one knows is printed, and judged by nobody: machines
// differ.
func TestThousandWatchers(t *testing.T) {
	const watchers, rotations = 1000, 20
	h := newHouse(t, idp.Config{})
	_, access := h.SignIn("ann")
	h.run()
	clients := make([]*testkit.Client, watchers)
	var all sync.WaitGroup
	for i := range clients {
		clients[i] = h.Dial()
		clients[i].Send("watch https://fal.run\n")
		clients[i].Until(access)
	}
	var took []time.Duration
	for range rotations {
		text, access := h.Fresh()
		if err := os.WriteFile(h.File+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if err := os.Rename(h.File+".new", h.File); err != nil {
			t.Fatal(err)
		}
		for _, c := range clients {
			all.Go(func() {
				for {
					if line, err := c.In.ReadLine(); err != nil || strings.Contains(line, access) {
						if err != nil {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		all.Wait()
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	t.Logf("%d watchers, %d rotations: the last one knew after %s (median), %s (maximum)",
		watchers, rotations, took[rotations/2].Round(100*time.Microsecond), took[rotations-1].Round(100*time.Microsecond))
}
