package helper

import (
	"path/filepath"

	"github.com/falcred/falcred/protocol/strict"
)

// nameTaken says that a stranger serves in the place of a daemon of ours that has ended: its pipe's
// name is anybody's to take by then, while nobody but us can have written the file that names it.
func nameTaken(socket string) bool { return strict.Folder(filepath.Dir(socket)) == nil }
