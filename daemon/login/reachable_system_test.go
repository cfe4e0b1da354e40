//go:build system

package login

import "testing"

// TestReachable with more looked into at a time: some minutes.
func TestReachableTogether(t *testing.T) {
	explore(t, []scope{
		{files: true, beside: true, ledger: true}, {tips: true}, {problems: true}, {doubts: true, tries: true}, {meets: true, grants: true, past: true},
		{fallback: true, others: true}, {fallback: true, rivals: true, tips: true}, {pauses: true, problems: true}, {pauses: true, files: true},
		{between: true},
	})
}
