package main

import (
	"errors"
	"os"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// testClient is the one client that the tests' issuers know.
const testClient = "test-client"

// until waits for what another process does. To a script it is an error that this never
// comes.
func until(what string, done func() bool) error {
	if !testkit.Within(testkit.Patience, done) {
		return errors.New(what + " never came")
	}
	return nil
}

// writeTokens writes as fal's programs do: in place.
func writeTokens(path, refresh, access string) error {
	return os.WriteFile(path, tokenfile.TokenPair{Refresh: refresh, Access: access}.Bytes(), 0o600)
}

// readTokens is "" for what cannot be read.
func readTokens(path string) (refresh, access string) {
	data, _ := os.ReadFile(path)
	p, _ := tokenfile.Parse(data)
	return p.Refresh, p.Access
}
