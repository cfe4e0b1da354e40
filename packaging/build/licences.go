package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// licencesName is what the file of licences is called, in packages and archives.
const licencesName = "THIRD-PARTY-LICENSES.txt"

// isLicence are the names of files that have to go with a program which links what lies beside them.
var isLicence = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-].*)?$`)

const aboutLicences = `falcred and docker-credential-fal link the modules below. For each, here are the
texts of its licence and its notices. Made by packaging/build from what the programs
of all platforms link.
`

// licences are the texts of all that a release links, whatever its platform.
func licences() (string, error) {
	texts := map[string]map[string]string{} // by module, then by the file's name in it
	for _, system := range []string{"linux", "darwin", "windows"} {
		if err := linked(system, texts); err != nil {
			return "", err
		}
	}
	out := &strings.Builder{}
	out.WriteString(aboutLicences)
	for _, module := range slices.Sorted(maps.Keys(texts)) {
		if len(texts[module]) == 0 {
			return "", errors.New("no licence is found in " + module)
		}
		for _, name := range slices.Sorted(maps.Keys(texts[module])) {
			fmt.Fprintf(out, "\n%s\n%s, %s\n\n%s\n", strings.Repeat("=", 78), module, name, strings.TrimSpace(texts[module][name]))
		}
	}
	return out.String(), nil
}

// linked adds what the programs of one system link, by package: a package can have a licence of its own
// in a module of another.
func linked(system string, texts map[string]map[string]string) error {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{.ImportPath}}\t{{.Dir}}\t{{with .Module}}{{.Path}} {{.Version}}\t{{.Dir}}\t{{.Main}}{{else}}Go\t{{$.Root}}\tfalse{{end}}",
		"./cmd/falcred", "./cmd/docker-credential-fal")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system)
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go list for %s: %w", system, err)
	}
	for line := range strings.Lines(string(out)) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(cells) != 5 {
			return fmt.Errorf("go list for %s says %q", system, line)
		}
		folder, module, root, own := cells[1], cells[2], cells[3], cells[4] == "true"
		if own {
			continue
		}
		if texts[module] == nil {
			texts[module] = map[string]string{}
		}
		if err := above(folder, root, texts[module]); err != nil {
			return err
		}
	}
	return nil
}

// above adds the licences of a package's folder and of those it lies in, up to the module's root.
func above(folder, root string, texts map[string]string) error {
	for {
		within, err := filepath.Rel(root, folder)
		if err != nil {
			return err
		}
		entries, err := os.ReadDir(folder)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if !entry.Type().IsRegular() || !isLicence.MatchString(entry.Name()) {
				continue
			}
			text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
			if err != nil {
				return err
			}
			texts[path.Join(filepath.ToSlash(within), entry.Name())] = string(text)
		}
		if within == "." {
			return nil
		}
		folder = filepath.Dir(folder)
	}
}
