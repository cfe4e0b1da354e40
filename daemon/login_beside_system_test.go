//go:build linux && system

package daemon

import (
	"fmt"
	"testing"
	"time"
)

// The same, 200 logins for each lock and overlap.
func TestF3ManyFalAuthLogins(t *testing.T) {
	const rounds = 200
	for _, order := range []string{unlinksAfter, unlinksHeld, noLock} {
		for _, overlap := range []time.Duration{0, 10 * time.Second} {
			t.Run(fmt.Sprintf("%s, overlap %v", order, overlap), func(t *testing.T) {
				t.Parallel()
				besideLogins(t, order, overlap, rounds).wantInnocent(order, rounds)
			})
		}
	}
}
