//go:build system

package main

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The licences are those of all modules that a program says it links, notices and what lies deeper too,
// and of Go itself.
func TestLicences(t *testing.T) {
	t.Chdir("../..")
	text, err := licences()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "falcred")
	if out, err := exec.Command("go", "build", "-o", program, "./cmd/falcred").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) < 10 {
		t.Fatalf("the program says it links %d modules", len(info.Deps))
	}
	wanted := []string{"\nGo, LICENSE\n", "\nGo, PATENTS\n", ", json/LICENSE\n", "Copyright 2009 The Go Authors",
		"inconshreveable/mousetrap "} // Windows alone links it
	for _, dep := range info.Deps {
		wanted = append(wanted, "\n"+dep.Path+" "+dep.Version+", LICENSE")
		if strings.Contains(dep.Path, "/coreos/") {
			wanted = append(wanted, "\n"+dep.Path+" "+dep.Version+", NOTICE\n")
		}
	}
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(text, "rogpeppe/go-internal") || strings.Contains(text, filepath.Dir(program)) {
		t.Error("what only tests link is there, or a path of this machine")
	}
}

// The archives of a release hold what the packages do.
func TestArchives(t *testing.T) {
	release, err := os.ReadFile("../../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	wanted := []string{"packaging/falcred.env.example", "packages/" + licencesName}
	for _, page := range documents {
		wanted = append(wanted, "packages/"+documentsName+"/"+page)
	}
	for _, page := range wanted {
		if !strings.Contains(string(release), "src: "+page+",") {
			t.Errorf("the archives lack %s", page)
		}
	}
}
