//go:build system && linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/spf13/cobra"
)

// Each command has a page with all that a page has, which mandoc finds nothing wrong with.
func TestManual(t *testing.T) {
	mandoc := testkit.NeedTool(t, "mandoc")
	dir := t.TempDir()
	program := filepath.Join(dir, "falcred")
	testkit.Must(t, testkit.Build("", program, "-tags", "man", "."))
	cmd := exec.Command(program, "man", dir)
	cmd.Env = []string{"SOURCE_DATE_EPOCH=1700000000"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var want []string
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" {
			return
		}
		want = append(want, filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"))
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot())
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	testkit.Must(t, err)
	slices.Sort(want)
	if !slices.Equal(pages, want) {
		t.Errorf("there are\n%s\nwant\n%s", strings.Join(pages, "\n"), strings.Join(want, "\n"))
	}
	for _, path := range pages {
		text, err := os.ReadFile(path)
		testkit.Must(t, err)
		for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "ENVIRONMENT", "FILES", "EXIT STATUS", "SEE ALSO"} {
			if strings.Count(string(text), "\n.Sh "+section+"\n") != 1 {
				t.Errorf("%s has no section %s", path, section)
			}
		}
		if strings.Contains(string(text), "[=") {
			t.Errorf("%s has a flag that nobody writes so", path)
		}
	}
	pages = append(pages, "../../packaging/docker-credential-fal.1", "../../packaging/falcred.env.5")
	if out, err := exec.Command(mandoc, append([]string{"-T", "lint", "-W", "warning"}, pages...)...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
