package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func init() { native = windows{} }

// windows is the system's disk with the manners of a Unix one. What needs none is package os.
type windows struct{}

func (windows) Readlink(path string) (string, error)       { return os.Readlink(path) }
func (windows) EvalSymlinks(path string) (string, error)   { return filepath.EvalSymlinks(path) }
func (windows) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }
func (windows) TryLock(f File) error                       { return flock(f) }
func (windows) Notify(func(path string)) (stop func())     { return func() {} }

// SameFile is false for what could not be opened.
func (windows) SameFile(a, b fs.FileInfo) bool {
	one, ok := a.(*info)
	other, too := b.(*info)
	return ok && too && one.identity == other.identity && one.identity != 0
}

const (
	errLockViolation    = syscall.Errno(33) // ERROR_LOCK_VIOLATION
	errSharingViolation = syscall.Errno(32) // ERROR_SHARING_VIOLATION
)

// full has a full disk be what it is elsewhere.
func full(err error) error {
	const handleDiskFull, diskFull = syscall.Errno(39), syscall.Errno(112) // ERROR_HANDLE_DISK_FULL, ERROR_DISK_FULL
	var path *fs.PathError
	switch {
	case err == handleDiskFull, err == diskFull:
		return syscall.ENOSPC
	case errors.As(err, &path):
		path.Err = full(path.Err)
	}
	return err
}

// patience is for how long others may be in the way: a scanner, a backup, a reader that opens
// files as most programs here do, so that nobody can rename or remove them meanwhile.
const patience = 2 * time.Second

// again tries until others are out of the way, or too long there.
func again(try func() error, inTheWay func(error) bool) error {
	begun, pause := time.Now(), time.Millisecond
	for {
		err := try()
		if err == nil || !inTheWay(err) || time.Since(begun) > patience {
			return err
		}
		time.Sleep(pause)
		pause = min(2*pause, 50*time.Millisecond)
	}
}

// shared says that somebody has the file open, and shares it less than we need.
func shared(err error) bool {
	return errors.Is(err, errSharingViolation) || errors.Is(err, errLockViolation)
}

// Held says that a rename or a removal failed since somebody has the file open, as far as the
// system tells that from a right that is lacking.
func Held(err error) bool { return shared(err) || errors.Is(err, syscall.ERROR_ACCESS_DENIED) }

// Rename replaces what others have open, where they share that and the file system can
// (os.Root's has POSIX semantics, os.Rename has not), and else waits for them.
func (windows) Rename(from, to string) error {
	rename := func() error {
		folder, err := os.OpenRoot(filepath.Dir(to))
		if err != nil {
			return err
		}
		defer folder.Close()
		return folder.Rename(filepath.Base(from), filepath.Base(to))
	}
	if filepath.Dir(from) != filepath.Dir(to) {
		rename = func() error { return os.Rename(from, to) }
	}
	replace := func() error {
		err := rename()
		if Held(err) {
			unprotect(to)
		}
		return err
	}
	err := again(replace, func(err error) bool {
		info, lookErr := os.Lstat(to)
		return Held(err) && (lookErr != nil || !info.IsDir()) // no file ever replaces a folder
	})
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &link):
		err = link.Err
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: full(err)}
	}
	return nil
}

// Replaceable is why no rename could replace the file at path, and nothing remove it: somebody has
// it open who does not share that. He is waited for, as by [Rename]. It is nil where there is none.
func Replaceable(path string) error {
	if simulated != nil {
		return nil
	}
	const deleting = 0x10000 // DELETE
	name, err := syscall.UTF16PtrFromString(path)
	if err == nil {
		err = again(func() error {
			h, err := createFile(name, deleting, shareAll, nil, syscall.OPEN_EXISTING, onlyLinks)
			if err == nil {
				syscall.CloseHandle(h)
			}
			return err
		}, shared)
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return &fs.PathError{Op: "replace", Path: path, Err: err}
}

// unprotect takes the attribute read-only from a file, which elsewhere keeps nobody from putting
// another in its place.
func unprotect(path string) {
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o200 == 0 {
		os.Chmod(path, 0o600)
	}
}

func (windows) Remove(path string) error {
	return again(func() error { return os.Remove(path) }, Held)
}

// CreateTemp is os.CreateTemp with the disk's own OpenFile.
func (d windows) CreateTemp(folder, pattern string) (File, error) {
	if folder == "" {
		folder = os.TempDir()
	}
	before, after, _ := strings.Cut(pattern, "*")
	for n := uint64(time.Now().UnixNano()) ^ uint64(os.Getpid())<<48; ; n++ { // #nosec G115 -- any number will do
		path := filepath.Join(folder, before+strconv.FormatUint(n, 36)+after)
		f, err := d.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// MkdirAll makes folders with the access list that perm stands for, each from its first moment.
func (d windows) MkdirAll(path string, perm fs.FileMode) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	if above := filepath.Dir(path); above != path {
		if err := d.MkdirAll(above, perm); err != nil {
			return err
		}
	}
	name, err := syscall.UTF16PtrFromString(path)
	if err == nil {
		err = syscall.CreateDirectory(name, attributes(perm, true))
	}
	if info, lookErr := os.Stat(path); err != nil && (lookErr != nil || !info.IsDir()) { // or somebody was faster
		return &fs.PathError{Op: "mkdir", Path: path, Err: full(err)}
	}
	return nil
}
