package main

import (
	"errors"
	"os"
	"strings"

	"github.com/falcred/falcred/daemon/testkit"
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

// writeTokens writes as fal's programs do: in place, and with no newline at the end.
func writeTokens(path, refresh, access string) error {
	text := refresh
	if access != "" {
		text += "\n" + access
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

func readTokens(path string) (refresh, access string) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", ""
	}
	refresh, access, _ = strings.Cut(string(data), "\n")
	return refresh, strings.TrimSpace(access)
}
