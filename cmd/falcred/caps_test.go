//go:build linux || darwin

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/doctor"
)

// F6: what stands where a unit is to be holds nobody up, and is not read whole to be compared.
func TestAUnitsPlaceHoldsNobodyUp_F6(t *testing.T) {
	folder := t.TempDir()
	for name, make := range map[string]func(path string) error{
		"nothing":  func(string) error { return nil },
		"the same": func(path string) error { return os.WriteFile(path, []byte("text"), 0o600) },
		"longer":   func(path string) error { return os.WriteFile(path, []byte("text and more"), 0o600) },
		"a folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"a FIFO":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"endless":  func(path string) error { return os.Symlink("/dev/zero", path) },
	} {
		path := filepath.Join(folder, name)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		if got := holds(written{path, "text"}); got != (name == "the same") {
			t.Errorf("%s: %v", name, got)
		}
	}
}

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
