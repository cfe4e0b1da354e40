package strict

import (
	"fmt"
	"io/fs"

	"github.com/falcred/falcred/protocol/disk"
)

// No FIFO stands in a folder here; a link is not followed at a path's end.
const (
	nonblock = 0
	noFollow = disk.NoFollow
)

// OwnerMask does nothing: there is no umask here, and what package disk makes is ours.
func OwnerMask() {}

// isLink knows junctions too, which are no symbolic links.
func isLink(info fs.FileInfo) bool {
	return info.Mode()&fs.ModeSymlink != 0 || info.Mode()&fs.ModeIrregular != 0 && !info.IsDir()
}

// Withdraw is how a person takes everybody else's right to write a path, in cmd and PowerShell.
func Withdraw(_, path string) string {
	return fmt.Sprintf(`icacls "%s" /inheritance:r /grant:r "%%USERNAME%%:(OI)(CI)F" "*S-1-5-18:(OI)(CI)F"`, path)
}

// Ours says whether a file or folder belongs to our user, or to Administrators or the system:
// the one has what was made "as administrator", the other a profile's folder.
func Ours(info fs.FileInfo) bool {
	known, ok := info.Sys().(*disk.Security)
	return ok && known.Ours
}

// trusted are they, and the system's installer.
func trusted(info fs.FileInfo) bool {
	known, ok := info.Sys().(*disk.Security)
	return ok && known.Trusted
}

// ourGroups: no group has but one member here, as far as a mode says.
func ourGroups(step) bool { return false }
