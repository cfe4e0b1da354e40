package login

import "testing"

// report prints one row of the table of what was tried and what survived.
func report(t *testing.T, what, tried, outcome string) {
	t.Helper()
	t.Logf("| %s | %s | %s |", what, tried, outcome)
}
