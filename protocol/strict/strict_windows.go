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

// Withdraw is how a person takes everybody else's rights to a path, in cmd and PowerShell. It names
// users by their SIDs, which are the same in every language, and those who are to go.
func Withdraw(_, path string) string {
	own, err := disk.OwnUser()
	if err != nil {
		return "see who may write it: icacls \"" + path + "\""
	}
	all, ofLink := ":F", ""
	info, err := disk.Lstat(path)
	switch {
	case err != nil || info.IsDir():
		all = ":(OI)(CI)F" // what is made in it too
	case isLink(info):
		ofLink = " /L" // and not of what it leads to
	}
	hint := fmt.Sprintf(`icacls "%s" /inheritance:r /grant:r "*%s%s" "*S-1-5-18%[3]s"`, path, own, all)
	for i, sid := range disk.Strangers(path) {
		if i == 0 {
			hint += " /remove:g"
		}
		hint += ` "*` + sid + `"`
	}
	return hint + ofLink
}

// changeable says whether others may have a link lead elsewhere: it is a file of its own here, with
// an access list.
func changeable(link fs.FileInfo) bool { return link.Mode().Perm()&0o022 != 0 }

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
