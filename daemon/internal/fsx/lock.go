package fsx

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/strict"
)

// Lock is a lock file that this process has locked (flock(2); LockFileEx on Windows). It is
// for one goroutine.
type Lock struct {
	file   disk.File
	before disk.File // what it took the place of, locked as well; mostly nil
}

// Stat is the locked file's, whatever the path names by now.
func (l *Lock) Stat() (fs.FileInfo, error) { return l.file.Stat() }

// Close gives the lock back. The file stays.
func (l *Lock) Close() error {
	if l.before != nil {
		unlock(l.before)
	}
	return unlock(l.file)
}

// Inherited is a lock that another process took, and whose file this one has been handed open.
func Inherited(file disk.File) *Lock { return &Lock{file: file} }

// File is what is locked: who inherits its descriptor has the lock too.
func (l *Lock) File() disk.File { return l.file }

// Leave has this process forget the lock, and lets whoever has inherited it keep it: it is given
// back when the last descriptor is closed.
func (l *Lock) Leave() error {
	if l.before != nil {
		l.before.Close()
	}
	return l.file.Close()
}

// unlock gives a lock back before its file is closed: a program that is being started on another
// thread has its descriptor too until its exec.
func unlock(file disk.File) error {
	disk.Unlock(file)
	return file.Close()
}

// TryLockPath locks the file of that name, which is made where there is none, and waits
// for nobody: lock is nil where another process has it locked. Closing it unlocks it. Nor
// can a FIFO of that name hold us, a link lead us elsewhere, or another user's file
// stand for ours: they are set aside.
//
// flock(2) asks for an open descriptor and no right, and keeps what is open from no chmod. So
// one that others can open, or that has a second name, is made anew by whoever gets it: he
// locks a new file, puts it in its place, and keeps the old one locked as long. Whoever
// compares what he has locked with what the path names (package tokenfile) goes on with the new.
func TryLockPath(path string) (lock *Lock, err error) {
	file, err := tryLock(path)
	if err != nil && strict.Blocked(path, err) && strict.Repair(path) == nil {
		file, err = tryLock(path)
	}
	if err != nil || file == nil {
		return nil, err
	}
	lock = &Lock{file: file}
	info, err := file.Stat()
	if err != nil || !Exposed(info) {
		return lock, nil
	}
	fresh, err := lockAnew(path, info)
	if err != nil { // a disk that is full or read-only, or a newer file: the old one is a lock too
		return lock, nil
	}
	return &Lock{fresh, file}, nil
}

// Exposed says that others can open a file of ours, or have another name of it.
func Exposed(info fs.FileInfo) bool { return OthersCanRead(info) || HardLinks(info) > 1 }

// tryLock locks nothing that is not ours. file is nil where nothing was locked.
func tryLock(path string) (file disk.File, err error) {
	file, err = disk.OpenFile(path, os.O_CREATE|os.O_RDWR|Nonblock|NoFollow, 0o600)
	if err != nil {
		return nil, strict.NoLink(path, err)
	}
	err = disk.TryLock(file)
	busy := errors.Is(err, syscall.EWOULDBLOCK)
	if !busy {
		err = cmp.Or(strict.Own(path, file), err) // a folder has no lock on every system
	}
	switch {
	case err == nil:
		return file, nil
	case busy:
		err = nil
	}
	file.Close()
	return nil, strict.NoLink(path, err)
}

// lockAnew locks a new file and puts it in the place of the one of path, old. Where path names
// another one by then it fails: the old one was unlinked by a neighbour, and the newer may be
// locked by somebody who looks no second time.
func lockAnew(path string, old fs.FileInfo) (disk.File, error) {
	name, err := WriteTemp(path, nil)
	if err != nil {
		return nil, err
	}
	file, err := tryLock(name)
	if err == nil && file == nil {
		err = errors.New("a new lock file was locked by somebody else")
	}
	if err == nil {
		var now fs.FileInfo
		if now, err = disk.Lstat(path); err == nil && !disk.SameFile(now, old) {
			err = errors.New("there is another lock file by now")
		}
	}
	if err == nil {
		err = disk.Rename(name, path)
	}
	if err != nil {
		if file != nil {
			file.Close()
		}
		disk.Remove(name)
		return nil, err
	}
	return file, nil
}

// longestHold is for how long a well-behaved neighbour may hold a lock.
const longestHold = 20 * time.Second

// TakeLock locks a new file in the place of one that somebody holds who may not. That is a
// process of another user, where the kernel says whose it is. Where it does not (another
// system than Linux, hidepid), it is whoever has been waited for longer than a well-behaved
// program holds a lock, if others can open the file and enter its folder. It is nil
// where the holder is to be waited for.
func TakeLock(path string, waited time.Duration) (*Lock, error) {
	held, err := disk.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) { // it has just gone
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	_, uid, known := LockHolder(path)
	switch {
	case known && !isOthers(uid), !known && (waited < longestHold || !reachable(path)):
		return nil, nil
	}
	file, err := lockAnew(path, held)
	if err != nil {
		return nil, err
	}
	return &Lock{file: file}, nil
}

// HeldByOthers says whether a process of another user, and not of root, holds a lock on a
// file, by the kernel's word.
func HeldByOthers(path string) bool {
	_, uid, known := LockHolder(path)
	return known && isOthers(uid)
}

func isOthers(uid int) bool { return uid != 0 && uid != os.Geteuid() }

// HeldByUs says whether a process of our own user, or of root, holds one, by the same.
func HeldByUs(path string) bool {
	_, uid, known := LockHolder(path)
	return known && !isOthers(uid)
}

func reachable(path string) bool {
	info, err := disk.Lstat(path)
	folder, folderErr := disk.Stat(filepath.Dir(path))
	return err == nil && folderErr == nil && Exposed(info) && folder.Mode().Perm()&0o011 != 0
}

// CopyAnew puts a copy in the place of a small file of ours, which whoever has the old one
// open, or locked, does not have.
func CopyAnew(path string, most int64) error {
	file, err := strict.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most))
	if err != nil {
		return err
	}
	finished, err := WriteTemp(path, data)
	if err != nil {
		return err
	}
	if err := disk.Rename(finished, path); err != nil {
		disk.Remove(finished)
		return err
	}
	return SyncFolder(filepath.Dir(path))
}
