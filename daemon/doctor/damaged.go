package doctor

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/strict"
)

// examineOwnFiles names those of falcred's own files that are damaged, and what was set aside
// of them.
func examineOwnFiles(cfg Config) (findings []Finding) {
	for _, folder := range folders(cfg) {
		if found := strict.Aside(folder); len(found) > 0 {
			findings = append(findings, Finding{"own files", Warn, "damaged, and set aside by falcred: " + strings.Join(found, ", "), strict.AsideHint})
		}
	}
	if _, err := journal.Load(cfg.Home); journal.Damaged(cfg.Home, err) {
		text, _ := fsx.Explain(err)
		findings = append(findings, Finding{"own files", Warn, text, "falcred sets it aside by itself when it next writes it: it holds no login"})
	}
	if _, err := journal.Used(cfg.Home, "no token"); err != nil {
		text, hint := fsx.Explain(err)
		findings = append(findings, Finding{"own files", Fail, "nobody can tell which refresh tokens were used up: " + text, hint})
	}
	if len(findings) == 0 {
		findings = []Finding{{Check: "own files", Result: OK, Text: "none of falcred's own files is damaged"}}
	}
	return findings
}

// folders are those in which falcred keeps files of its own.
func folders(cfg Config) []string {
	found := []string{cfg.Home}
	file := tokenfile.In(cfg.Home, nil)
	target, _ := file.Target()
	for _, path := range []string{target, cfg.Socket, cfg.ShareSocket} {
		if folder := filepath.Dir(path); path != "" && !same(folder, cfg.Home) {
			found = append(found, folder)
		}
	}
	return found
}

func same(a, b string) bool {
	one, err := os.Stat(a)
	two, otherErr := os.Stat(b)
	return a == b || err == nil && otherErr == nil && os.SameFile(one, two)
}
