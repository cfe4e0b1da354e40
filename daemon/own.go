package daemon

import (
	"os"
	"path/filepath"
	"strings"
)

// OwnFiles lists what falcred alone has put into a home: its memory, history,
// settings, socket and locks. The login is not among it, and neither is an
// answer that has not reached the token file yet (R4): pending says that there
// is one.
func OwnFiles(home string) (files []string, pending bool, err error) {
	entries, err := os.ReadDir(home)
	for _, entry := range entries {
		name := entry.Name()
		pending = pending || strings.HasPrefix(name, placePrefix)
		if strings.HasPrefix(name, "falcred.") && !entry.IsDir() {
			files = append(files, filepath.Join(home, name))
		}
	}
	return files, pending, err
}
