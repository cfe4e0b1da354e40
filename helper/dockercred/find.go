package dockercred

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
)

// findDaemon looks beside this program first: the two belong together. Who may
// change what is on PATH is its owner's affair (Homebrew's folders are often one
// user's, or a group's), but not everybody may.
func findDaemon(path string) (string, error) {
	var failed error = errNoDaemon
	var folders []string
	if self, err := os.Executable(); err == nil {
		folders = append(folders, filepath.Dir(self))
		if real, err := filepath.EvalSymlinks(self); err == nil {
			folders = append(folders, filepath.Dir(real))
		}
	}
	for _, dir := range append(folders, filepath.SplitList(path)...) {
		if !filepath.IsAbs(dir) {
			continue // what lies in the working folder is not to be run
		}
		candidate := filepath.Join(dir, program)
		info, err := os.Stat(candidate)
		switch {
		case err != nil || !info.Mode().IsRegular() || !executable(info):
		case strict.Everybodys(candidate):
			failed = protocol.Errorf(protocol.CodeUnavailable,
				"falcred is not running, and %s was not started, because other users could replace it\ninstall it where only you and root can write", candidate)
		default:
			return candidate, nil
		}
	}
	return "", failed
}

// daemonEnv is what a daemon started on demand gets: of its starter's environment some names
// alone, since no caller's key may reach another caller (§5), nor his team (§4), and that it is one (S9).
// XDG_RUNTIME_DIR is one of the places where we look for its socket (§3).
func daemonEnv(environ []string) []string {
	names := append([]string{"PATH", "FAL_HOME_DIR", "XDG_RUNTIME_DIR"}, systemVariables...)
	var passed []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if name = foldVariable(name); slices.Contains(names, name) || strings.HasPrefix(name, "FALCRED_") && name != env.OnDemand && name != env.Inheritance && name != env.TeamName {
			passed = append(passed, entry)
		}
	}
	return append(passed, env.OnDemand+"=1")
}
