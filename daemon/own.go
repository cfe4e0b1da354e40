package daemon

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
)

// ownNames are what falcred alone has put into a home: its memory, history,
// settings, socket and locks.
var ownNames = []string{
	memoryFile, consumedFile, historyFile, envFile, "falcred.sock", "falcred.sock.lock", "falcred.sock.start", "falcred.follow.lock",
}

// OwnFiles lists what of falcred's is in a home. The login is not among it, and
// neither is an answer that has not reached the token file yet (R4), which lies
// beside that file, wherever a link leads: pending says that there is one.
func OwnFiles(home string) (files []string, pending bool, err error) {
	if err := strict.Folder(home); err != nil {
		return nil, false, err
	}
	entries, err := os.ReadDir(home)
	for _, entry := range entries {
		name := entry.Name()
		temporary := strings.HasPrefix(name, "."+memoryFile+".tmp-") || strings.HasPrefix(name, "."+historyFile+".tmp-")
		if !entry.IsDir() && (temporary || slices.Contains(ownNames, name)) {
			files = append(files, filepath.Join(home, name))
		}
	}
	for _, path := range []string{filepath.Join(home, env.TokenFile), beside(home)} {
		pending = pending || len(otherPlaces(path, "")) > 0
	}
	return files, pending, err
}

// beside is the token file behind links.
func beside(home string) string {
	path := filepath.Join(home, env.TokenFile)
	if target, err := (tokenFile{path: path}).target(); err == nil {
		return target
	}
	return path
}
