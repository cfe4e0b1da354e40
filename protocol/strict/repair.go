package strict

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/falcred/falcred/protocol/disk"
)

// AsideHint is what to do about what was set aside.
const AsideHint = "they hold no login, and falcred has made what it needs anew: remove them when you have looked at them"

const (
	// asideSuffix is added to the name of what is set aside.
	asideSuffix = ".damaged"
	// maxAside bounds how much of one name is kept.
	maxAside = 3
)

// Blocked reports whether err, from the opening or reading of path, lies in what stands
// there: a folder, a FIFO, a link, another user's file, a mode that keeps its owner out. It is
// false where the way to it is to blame, or the moment (a full disk, no descriptor left).
func Blocked(path string, err error) bool {
	if t := As(err); t != nil {
		return t.Path == path
	}
	for _, its := range []error{fs.ErrPermission, syscall.ENXIO, syscall.ELOOP, syscall.EISDIR} {
		if errors.Is(err, its) {
			return true
		}
	}
	return false
}

// Repair makes way for a file of ours that is [Blocked]: a regular file of ours gets mode
// 0600, anything else is set aside ([SetAside]). It is for what we can do without: nothing of
// what stands there is read. Where nothing does, or nothing is wrong with it, nothing happens.
func Repair(path string) error {
	if err := first(examine(filepath.Dir(path), toFolder)); err != nil {
		return err
	}
	err := regain(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, errNotOurFile):
		return SetAside(path)
	}
	return err
}

var errNotOurFile = errors.New("not a regular file of ours")

// regain gives a regular file of ours mode 0600 where its owner cannot read and write it: it
// was made under a umask such as 777, and would be in the way for good. Nobody else may be able
// to write the folder.
func regain(path string) error {
	info, err := disk.Lstat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular() || !Ours(info):
		return errNotOurFile
	case info.Mode().Perm()&0o600 == 0o600:
		return nil
	}
	return disk.Chmod(path, 0o600)
}

// SetAside renames what stands at path to PATH.damaged, or .damaged-1, or .damaged-2: the last
// is replaced, so that there are never more of them. A link is renamed itself.
func SetAside(path string) error {
	to := path + asideSuffix
	for i := 1; ; i++ {
		if _, err := disk.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			break
		}
		if i == maxAside {
			disk.Remove(to) // a folder that holds something stays, and the rename says so
			break
		}
		to = fmt.Sprint(path, asideSuffix, "-", i)
	}
	return disk.Rename(path, to)
}

// Aside lists what [SetAside] has left in a folder, sorted by name.
func Aside(folder string) (found []string) {
	entries, _ := disk.ReadDir(folder)
	for _, entry := range entries {
		if IsAside(entry.Name()) {
			found = append(found, filepath.Join(folder, entry.Name()))
		}
	}
	return found
}

// IsAside reports whether a name is one that [SetAside] gives.
func IsAside(name string) bool {
	before, after, found := strings.Cut(filepath.Base(name), asideSuffix)
	return found && before != "" && (after == "" || len(after) == 2 && after[0] == '-')
}

// OpenRepaired is [Open] for a file that we can do without: what is [Blocked] is repaired
// first.
func OpenRepaired(path string, flag int, perm fs.FileMode) (disk.File, error) {
	file, err := Open(path, flag, perm)
	if err == nil || !Blocked(path, err) || Repair(path) != nil {
		return file, err
	}
	return Open(path, flag, perm)
}
