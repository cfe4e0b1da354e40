//go:build linux

package drive

import (
	"cmp"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
)

// set gives a name in a folder to an inode, or to none, until a power cut may undo it. of is
// the change whose other half this is: a rename's old name goes only where the new one came.
func (d *Drive) set(folder *inode, name string, node *inode, of uint64) (change uint64) {
	change = d.remember(folder, name, node, of)
	put(folder, name, node)
	folder.modified, folder.info = d.now(), nil
	d.tell(folder, name)
	return change
}

// room says whether a folder takes another name.
func (d *Drive) room(folder *inode) syscall.Errno {
	if errno := d.changeable(folder); errno != 0 {
		return errno
	}
	if d.Full && d.rng.IntN(2) == 0 {
		return syscall.ENOSPC
	}
	return 0
}

// changeable says whether a folder's names may change.
func (d *Drive) changeable(folder *inode) syscall.Errno {
	switch {
	case d.ReadOnly:
		return syscall.EROFS
	case !d.may(folder, 3):
		return syscall.EACCES
	}
	return 0
}

// ReadDir is os.ReadDir.
func (d *Drive) ReadDir(path string) ([]fs.DirEntry, error) {
	if err := d.ask(ReadDir, path, 0); err != nil {
		return nil, failed("open", path, err)
	}
	at, errno := d.known(path, true)
	switch {
	case errno != 0:
	case at.node.entries == nil:
		errno = syscall.ENOTDIR
	case !d.may(at.node, 4):
		errno = syscall.EACCES
	}
	if errno != 0 {
		return nil, failed("open", path, errno)
	}
	found := make([]fs.DirEntry, 0, len(at.node.entries))
	for name, n := range at.node.entries {
		found = append(found, n.describe(name))
	}
	slices.SortFunc(found, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return found, nil
}

// Rename is os.Rename.
func (d *Drive) Rename(from, to string) error {
	var err error
	if d.Before != nil {
		err = d.Before(Op{Kind: Rename, Path: from, To: to})
	}
	if err == nil {
		if errno := d.rename(from, to); errno != 0 {
			err = errno
		}
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

func (d *Drive) rename(from, to string) syscall.Errno {
	old, errno := d.find(from, false)
	as, other := d.find(to, false)
	switch { // the folders are looked up before the names
	case errno == syscall.ENAMETOOLONG && other != 0:
		return other
	case errno != 0:
		return errno
	case other != 0 && other != syscall.ENAMETOOLONG:
		return other
	case old.node == nil:
		return syscall.ENOENT
	case other != 0:
		return other
	case as.node != nil && as.node.entries != nil && (as.node != old.node || from == to):
		return syscall.EEXIST // package os says so, whatever it holds
	}
	switch {
	case d.ReadOnly:
		return syscall.EROFS
	case old.node.entries != nil && inside(as.folder, old.node):
		return syscall.EINVAL
	case old.node == as.node: // two names of one file: both stay
		return 0
	case !d.may(old.folder, 3), !d.may(as.folder, 3):
		return syscall.EACCES
	case old.node.entries != nil && as.node != nil:
		return syscall.ENOTDIR
	case old.node.entries != nil && old.folder != as.folder && !d.may(old.node, 2): // its ".." changes
		return syscall.EACCES
	}
	if old.node.entries != nil || old.node.isLink() || as.node != nil && as.node.isLink() {
		d.shape++
	}
	come := d.set(as.folder, as.name, old.node, 0)
	d.set(old.folder, old.name, nil, come)
	return 0
}

// inside says whether a folder is another one, or below it.
func inside(folder, of *inode) bool {
	for ; folder != of; folder = folder.parent {
		if folder == folder.parent {
			return false
		}
	}
	return true
}

// Remove is os.Remove.
func (d *Drive) Remove(path string) error {
	if err := d.ask(Remove, path, 0); err != nil {
		return failed("remove", path, err)
	}
	at, errno := d.known(path, false)
	if errno == 0 {
		errno = d.changeable(at.folder)
	}
	if errno == 0 && len(at.node.entries) > 0 {
		errno = syscall.ENOTEMPTY
	}
	if errno != 0 {
		return failed("remove", path, errno)
	}
	if at.node.entries != nil || at.node.isLink() {
		d.shape++
	}
	d.set(at.folder, at.name, nil, 0)
	return nil
}

// Chmod is os.Chmod. It is safe at once.
func (d *Drive) Chmod(path string, mode fs.FileMode) error {
	if err := d.ask(Chmod, path, 0); err != nil {
		return failed("chmod", path, err)
	}
	at, errno := d.known(path, true)
	if errno == 0 {
		errno = d.chmod(at, mode)
	}
	return result("chmod", path, errno)
}

func (d *Drive) chmod(at spot, mode fs.FileMode) syscall.Errno {
	const bits = fs.ModePerm | fs.ModeSticky
	switch n := at.node; {
	case d.ReadOnly:
		return syscall.EROFS
	case n.uid != d.uid:
		return syscall.EPERM
	default:
		n.mode, n.info = n.mode&^bits|mode&bits, nil
		if n.entries != nil {
			d.shape++
		}
	}
	d.tell(at.folder, at.name)
	return 0
}

// MkdirAll is os.MkdirAll.
func (d *Drive) MkdirAll(path string, perm fs.FileMode) error {
	if err := d.ask(Mkdir, path, 0); err != nil {
		return failed("mkdir", path, err)
	}
	return d.mkdirAll(path, perm)
}

func (d *Drive) mkdirAll(path string, perm fs.FileMode) error {
	if at, errno := d.known(path, true); errno == 0 {
		if at.node.entries != nil {
			return nil
		}
		return failed("mkdir", path, syscall.ENOTDIR)
	}
	if i := strings.LastIndexByte(strings.TrimRight(path, "/"), '/'); i > 0 {
		if err := d.mkdirAll(path[:i], perm); err != nil {
			return err
		}
	}
	at, errno := d.find(strings.TrimRight(path, "/"), false)
	if errno == 0 && at.node != nil {
		if errno = syscall.EEXIST; at.node.entries != nil { // "a/."
			return nil
		}
	}
	if errno == 0 {
		errno = d.room(at.folder)
	}
	if errno == 0 {
		d.set(at.folder, at.name, d.make(fs.ModeDir|perm.Perm()&^d.Umask), 0)
		d.shape++
	}
	return result("mkdir", path, errno)
}

// Symlink is os.Symlink.
func (d *Drive) Symlink(target, path string) error {
	n := d.make(fs.ModeSymlink | 0o777)
	n.target = target
	return d.add("symlink", target, path, n)
}

// Link is os.Link.
func (d *Drive) Link(from, to string) error {
	at, errno := d.known(from, false)
	if errno != 0 {
		return &os.LinkError{Op: "link", Old: from, New: to, Err: errno}
	}
	return d.add("link", from, to, at.node)
}

// add is asked for as the making of a file is.
func (d *Drive) add(op, from, path string, n *inode) error {
	err := d.ask(Create, path, 0)
	if err == nil {
		at, errno := d.find(path, false)
		if errno == 0 && at.node != nil {
			errno = syscall.EEXIST
		}
		if errno == 0 {
			errno = d.room(at.folder)
		}
		if errno == 0 && n.entries != nil { // a folder has one name
			errno = syscall.EPERM
		}
		if errno == 0 {
			d.set(at.folder, at.name, n, 0)
			d.shape++
			return nil
		}
		err = errno
	}
	return &os.LinkError{Op: op, Old: from, New: path, Err: err}
}
