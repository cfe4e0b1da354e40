//go:build system && (linux || darwin)

package daemon

import (
	"os"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// A file of another user's can be made by root alone.
func init() {
	damages["another user's"] = func(t *testing.T, p, _ string) {
		testkit.NeedRoot(t)
		testkit.Must(t, os.WriteFile(p, nil, 0o600))
		testkit.Must(t, os.Chown(p, 12345, 12345))
	}
}
