package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the documents link to is there, in this folder or as a heading.
func TestLinks(t *testing.T) {
	heading := regexp.MustCompile(`(?m)^#+ (.*)$`)
	link := regexp.MustCompile(`\]\(([^)]+)\)`)
	found := 0
	for _, name := range documents {
		page := filepath.Join("../..", name)
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.HasPrefix(m[1], "https://") {
				continue
			}
			found++
			path, anchor, _ := strings.Cut(m[1], "#")
			there := page
			if path != "" {
				there = filepath.Join(filepath.Dir(page), path)
			}
			target, err := os.ReadFile(there)
			if err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
				continue
			}
			anchors := map[string]bool{"": true}
			for _, h := range heading.FindAllStringSubmatch(string(target), -1) {
				anchors[strings.ReplaceAll(strings.ToLower(regexp.MustCompile(`[^\w -]`).ReplaceAllString(h[1], "")), " ", "-")] = true
			}
			if !anchors[anchor] {
				t.Errorf("%s links to %s, where no such heading is", name, m[1])
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d links were found", found)
	}
}
