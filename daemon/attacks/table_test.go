//go:build linux && system

package attacks

import "github.com/falcred/falcred/daemon/testkit"

// table says what was attempted.
var table = testkit.Table{Columns: [3]string{"what was attempted", "tried", "what came of it"}}
