package main

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the documents link to is there, in the repository or as a heading; and of what a package has, nothing
// links to a page that the package lacks.
func TestLinks(t *testing.T) {
	found := 0
	for _, page := range documents {
		text, err := os.ReadFile(filepath.Join("../..", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range targets(string(text)) {
			if strings.HasPrefix(target, "https://") {
				continue
			}
			found++
			holds(t, page, target)
		}
		for _, target := range targets(packaged(page, string(text))) {
			if there, ours := strings.CutPrefix(target, online); ours {
				holds(t, "README.md", there)
			} else if file, _, _ := strings.Cut(target, "#"); !strings.HasPrefix(target, "https://") && file != "" && !slices.Contains(documents, path.Join(path.Dir(page), file)) {
				t.Errorf("%s as packaged links to %s, which is not", page, target)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d links were found", found)
	}
}

func targets(text string) (all []string) {
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

var heading = regexp.MustCompile(`(?m)^#+ (.*)$`)

// holds looks for a page's link in the repository.
func holds(t *testing.T, page, target string) {
	t.Helper()
	file, anchor, _ := strings.Cut(target, "#")
	there := page
	if file != "" {
		there = path.Join(path.Dir(page), file)
	}
	text, err := os.ReadFile(filepath.Join("../..", there))
	if err != nil {
		t.Errorf("%s links to %s: %v", page, target, err)
		return
	}
	anchors := map[string]bool{"": true}
	for _, h := range heading.FindAllStringSubmatch(string(text), -1) {
		anchors[strings.ReplaceAll(strings.ToLower(regexp.MustCompile(`[^\w -]`).ReplaceAllString(h[1], "")), " ", "-")] = true
	}
	if !anchors[anchor] {
		t.Errorf("%s links to %s, where no such heading is", page, target)
	}
}
