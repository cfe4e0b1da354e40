// Package disk is the one door to the files of a home: all that protocol/strict and the
// daemon's careful code do to a file goes through the functions here, which do what
// those of package os with the same name do. So a simulator can put a disk of its own in
// their place ([Simulate]), one that fails, fills up and loses what was not fsynced, and
// have the real code meet it.
//
// What is no file of a home stays with package os: the tables in /etc and /proc, sockets,
// programs. What the kernel alone knows (ACLs, who holds a lock) is nothing on a simulated
// disk, which has no other users.
//
// On Windows it makes a Unix disk of the system's, as far as that goes: what one of us has open
// can be renamed and removed; what others have open is waited for; what is made with a mode
// such as 0600 is ours alone from its first moment; and FileInfo.Mode says in the bits for
// others what the access list lets them do (see Security there). No folder can be fsynced.
package disk

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// File is an open file. *[os.File] is one.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.WriterAt
	io.Closer
	Name() string
	Stat() (fs.FileInfo, error)
	Chmod(mode fs.FileMode) error
	Truncate(size int64) error
	Sync() error
}

// Disk is what a simulator puts in the system's place. Errors are those of package os: a
// *[fs.PathError] or *[os.LinkError] with the system's number. What FileInfo.Sys returns is
// the system's too, with owner, links and inode, where it has one.
type Disk interface {
	OpenFile(path string, flag int, perm fs.FileMode) (File, error)
	CreateTemp(folder, pattern string) (File, error)
	Stat(path string) (fs.FileInfo, error)
	Lstat(path string) (fs.FileInfo, error)
	Readlink(path string) (string, error)
	EvalSymlinks(path string) (string, error)
	ReadDir(path string) ([]fs.DirEntry, error)
	Rename(from, to string) error
	Remove(path string) error
	Chmod(path string, mode fs.FileMode) error
	MkdirAll(path string, perm fs.FileMode) error
	SameFile(a, b fs.FileInfo) bool
	TryLock(file File) error
	Notify(report func(path string)) (stop func())
}

var (
	simulated Disk // nil: files are the system's
	native    Disk // what makes a Unix disk of the system's; nil where it is one
)

// current is nil where package os will do.
func current() Disk {
	if simulated != nil {
		return simulated
	}
	return native
}

// Simulate has all files be on d from now on; nil gives the system's back. It is for a
// process that does nothing else, before it opens a file.
func Simulate(d Disk) { simulated = d }

// Simulated says whether files are on a disk that is not the system's.
func Simulated() bool { return simulated != nil }

// Notify has report called, on a goroutine that is not waited for by it, with each path of
// which a simulated disk changes what it names, until stop is called. ok is false for the
// system's files, which are watched by its own means.
func Notify(report func(path string)) (stop func(), ok bool) {
	if simulated == nil {
		return nil, false
	}
	return simulated.Notify(report), true
}

// OpenFile is [os.OpenFile].
func OpenFile(path string, flag int, perm fs.FileMode) (File, error) {
	if d := current(); d != nil {
		return d.OpenFile(path, flag, perm)
	}
	return opened(os.OpenFile(path, flag, perm)) // #nosec G304 -- callers check whose it is
}

// CreateTemp is [os.CreateTemp].
func CreateTemp(folder, pattern string) (File, error) {
	if d := current(); d != nil {
		return d.CreateTemp(folder, pattern)
	}
	return opened(os.CreateTemp(folder, pattern))
}

// opened keeps a nil *os.File from being a File that is not nil.
func opened(file *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return file, nil
}

// Stat is [os.Stat].
func Stat(path string) (fs.FileInfo, error) {
	if d := current(); d != nil {
		return d.Stat(path)
	}
	return os.Stat(path)
}

// Lstat is [os.Lstat].
func Lstat(path string) (fs.FileInfo, error) {
	if d := current(); d != nil {
		return d.Lstat(path)
	}
	return os.Lstat(path)
}

// Readlink is [os.Readlink].
func Readlink(path string) (string, error) {
	if d := current(); d != nil {
		return d.Readlink(path)
	}
	return os.Readlink(path)
}

// EvalSymlinks is [filepath.EvalSymlinks].
func EvalSymlinks(path string) (string, error) {
	if d := current(); d != nil {
		return d.EvalSymlinks(path)
	}
	return filepath.EvalSymlinks(path)
}

// ReadDir is [os.ReadDir].
func ReadDir(path string) ([]fs.DirEntry, error) {
	if d := current(); d != nil {
		return d.ReadDir(path)
	}
	return os.ReadDir(path)
}

// Rename is [os.Rename].
func Rename(from, to string) error {
	if d := current(); d != nil {
		return d.Rename(from, to)
	}
	return os.Rename(from, to)
}

// Remove is [os.Remove].
func Remove(path string) error {
	if d := current(); d != nil {
		return d.Remove(path)
	}
	return os.Remove(path)
}

// Chmod is [os.Chmod].
func Chmod(path string, mode fs.FileMode) error {
	if d := current(); d != nil {
		return d.Chmod(path, mode)
	}
	return os.Chmod(path, mode)
}

// MkdirAll is [os.MkdirAll].
func MkdirAll(path string, perm fs.FileMode) error {
	if d := current(); d != nil {
		return d.MkdirAll(path, perm)
	}
	return os.MkdirAll(path, perm)
}

// SameFile is [os.SameFile].
func SameFile(a, b fs.FileInfo) bool {
	if d := current(); d != nil {
		return d.SameFile(a, b)
	}
	return os.SameFile(a, b)
}

// TryLock locks an open file (flock(2); LockFileEx on Windows) for as long as it is open, and
// waits for nobody: it fails with EWOULDBLOCK where another has it locked. It keeps nobody
// from reading and writing the file.
func TryLock(file File) error {
	if simulated != nil {
		return simulated.TryLock(file)
	}
	return flock(file)
}

// Unlock ends a lock of [TryLock] while the file is still open. A simulated one ends with the
// file: nothing else can have that open.
func Unlock(file File) {
	if simulated == nil {
		funlock(file)
	}
}
