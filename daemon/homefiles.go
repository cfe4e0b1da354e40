package daemon

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/falcred/falcred/daemon/envfile"
	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/strict"
)

// homeFiles are what falcred alone has put into a home: its ledger, history, settings,
// socket and locks.
var homeFiles = []string{
	journal.LedgerName, journal.ConsumedName, events.HistoryName, envfile.Name,
	"falcred.sock", "falcred.sock.lock", "falcred.sock.start", "falcred.follow.lock",
}

// HomeFiles lists the files in a home that only falcred uses. The login is not among them.
// pending says that an answer of the issuer's has not reached the token file yet: it lies
// beside that file, wherever a link leads, and is not listed either. Without the home files
// it could not be saved.
func HomeFiles(home string) (files []string, pending bool, err error) {
	if err := strict.Folder(home); err != nil {
		return nil, false, err
	}
	entries, err := os.ReadDir(home)
	for _, entry := range entries {
		name := entry.Name()
		temporary := strings.HasPrefix(name, "."+journal.LedgerName+".tmp-") || strings.HasPrefix(name, "."+events.HistoryName+".tmp-")
		if !entry.IsDir() && (temporary || slices.Contains(homeFiles, name)) {
			files = append(files, filepath.Join(home, name))
		}
	}
	file := tokenfile.In(home, nil)
	beside := []string{file.Path}
	if target, err := file.Target(); err == nil { // behind links
		beside = append(beside, target)
	}
	for _, path := range beside {
		pending = pending || len(journal.Others(path, "")) > 0
	}
	return files, pending, err
}
