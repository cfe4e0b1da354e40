package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// testClient is the one client that the tests' issuers know.
const testClient = "test-client"

// until waits for something that another process does to become true.
func until(ctx context.Context, what string, done func() bool) error {
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s did not come within %s", what, patience))
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
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
