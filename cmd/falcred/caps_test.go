//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/doctor"
)

// A program of the helper's name that prints without an end is named, and fills no memory.
func TestAHelperWithoutAnEnd(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "docker-credential-fal"), []byte("#!/bin/sh\nwhile :; do echo a b c; done\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+":/usr/bin:/bin")
	if f := examineHelper(t.Context()); f.Result != doctor.Fail || !strings.Contains(f.Text, "does not print its version") {
		t.Errorf("%+v", f)
	}
}
