//go:build unix

package main_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Package stack does nothing where anything else was initialised before it.
func TestStackIsGrownFirst(t *testing.T) {
	cmd := exec.Command(filepath.Join(bin, "docker-credential-fal"), "version")
	cmd.Env = append(cmd.Environ(), "GODEBUG=inittrace=1")
	var trace strings.Builder
	cmd.Stderr = &trace
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut("\n"+trace.String(), "\ninit runtime @")
	_, first, _ := strings.Cut(after, "\n")
	if want := "init github.com/falcred/falcred/cmd/docker-credential-fal/internal/stack @"; !strings.HasPrefix(first, want) {
		t.Errorf("after the runtime comes\n%.300s", first)
	}
}
