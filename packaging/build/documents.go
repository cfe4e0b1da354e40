package main

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// documents are those that README names to a user. They keep their places below the documentation's folder,
// so that their links to each other hold.
var documents = []string{"README.md", "cmd/falcred/SETTINGS.md", "cmd/falcred/TROUBLESHOOTING.md", "daemon/LIMITS.md", "helper/RECIPES.md"}

// documentsName is the folder of them beside the packages.
const documentsName = "documents"

// online is where the pages are that no package has.
const online = "https://github.com/falcred/falcred/blob/HEAD/"

// link is one of Markdown, with its target.
var link = regexp.MustCompile(`\]\(([^)]+)\)`)

// documents writes them as the packages have them.
func (b *build) documents() error {
	for _, page := range documents {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		to := filepath.Join(b.out, documentsName, page)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil { // #nosec G301 -- of a package: everybody's
			return err
		}
		if err := os.WriteFile(to, []byte(packaged(page, string(text))), 0o644); err != nil { // #nosec G306 -- of a package: everybody's
			return err
		}
	}
	return nil
}

// packaged is a page's text in which a link to what is not packaged is one to the module's address.
func packaged(page, text string) string {
	return link.ReplaceAllStringFunc(text, func(whole string) string {
		target := link.FindStringSubmatch(whole)[1]
		file, _, _ := strings.Cut(target, "#")
		there := path.Join(path.Dir(page), file)
		if file == "" || strings.Contains(target, "://") || slices.Contains(documents, there) {
			return whole
		}
		return "](" + online + there + target[len(file):] + ")"
	})
}
