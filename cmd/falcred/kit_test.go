package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
	falenv "github.com/falcred/falcred/protocol/env"
	"github.com/rogpeppe/go-internal/testscript"
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

// endLogin has that issuer end the login in the file, and a daemon hear of it.
func endLogin(ts *testscript.TestScript, _ bool, args []string) {
	refresh, access := readTokens(filepath.Join(ts.Getenv("FAL_HOME_DIR"), falenv.TokenFile))
	named(ts, args[0]).RevokeFamily(refresh)
	client := &helper.Client{Socket: ts.Getenv("FALCRED_SOCKET")}
	defer client.Close()
	client.Get(context.Background(), protocol.Query{ServerURL: protocol.DefaultServer, ForceUser: true, Rejected: protocol.Secret(access)})
}

// opened waits until the script's browser was started, and wants to know with what.
func opened(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs("opened")
	ts.Check(until("a browser", func() bool { _, err := os.Stat(path); return err == nil }))
	got, err := os.ReadFile(path)
	ts.Check(err)
	if want := regexp.MustCompile("^" + args[0]); !want.Match(bytes.TrimSpace(got)) {
		ts.Fatalf("it was started as %q", got)
	}
	ts.Check(os.Remove(path))
}
