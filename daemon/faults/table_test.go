//go:build linux && system

package faults

import (
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// table says what was broken; riskiest first.
var table = testkit.Table{Columns: [3]string{"what was broken", "tried", "what survived"},
	Order: []string{"TestKillAt", "TestWindow", "TestKill", "TestDisk", "TestTokenFile", "TestFolder"}}

// needMounts wants root in the private mount namespace of TestMain.
func needMounts(t *testing.T, fault string) {
	t.Helper()
	if !testkit.MayMount() {
		table.Missing(t, fault, "root, and a mount namespace of its own")
	}
}
