// Package fsx reads and writes small files of ours as the safety of a login wants it:
// no link, FIFO or file of another user is taken for one of ours, a reader meets the old
// content or the new and nothing between, and what was written is on the disk when the
// call returns.
//
// All that it does to files goes through protocol/disk, as all that tokenfile, journal,
// events and login do goes through here, through protocol/strict, which opens a file of
// ours, or through protocol/disk itself. So what can fail or hang in them is behind one
// door, for a simulator to have fail. What only forwards has no place here.
//
// Nothing here takes a lock, but for [TryLockPath] and [TakeLock].
package fsx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/strict"
)

// MaxSmall caps a reading of a small file, in bytes. fal's two tokens are about 1 KiB;
// an access token over 64 KiB would fit no HTTP header.
const MaxSmall = 64 << 10

// Read reads a file of ours, of at most that many bytes, and no link, FIFO, device or folder of
// its name: a lock may be held meanwhile. One that is longer is an error, and so is one
// that is not there: fs.ErrNotExist.
func Read(path string, most int64) ([]byte, error) {
	file, err := strict.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(data)) > most {
		err = &strict.Problem{Path: path, Text: fmt.Sprintf("%s has more than %d bytes, more than falcred writes", path, most), Hint: "move it away"}
	}
	return data, err
}

// ReadTail reads the last bytes of a file of ours, at most that many. One that is longer
// is not read whole.
func ReadTail(path string, most int64) ([]byte, error) {
	file, err := strict.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(file, max(0, info.Size()-most), most))
}

// OpenAny opens what stands at path, behind links, to be read, and waits for nobody: a
// FIFO is opened as well. The caller has to check what it is, and whose.
func OpenAny(path string) (disk.File, error) { return disk.OpenFile(path, os.O_RDONLY|Nonblock, 0) }

// WriteAtomic replaces a small file: a reader, and a crash, meet the old content or the
// new, but where it cannot be replaced ([WhyInPlace]). It is on the disk when WriteAtomic
// returns.
func WriteAtomic(path string, data []byte) error {
	if err := WriteRename(path, data); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// WriteRename is [WriteAtomic] without the fsync of the folder: after a crash there may
// still be the old content. It is for what another file's SyncFolder in the same folder
// follows.
func WriteRename(path string, data []byte) error {
	finished, err := WriteTemp(path, data)
	if err != nil {
		return err
	}
	err = disk.Rename(finished, path)
	if err == nil {
		return nil
	}
	disk.Remove(finished)
	if WhyInPlace(path, err) != "" {
		return WriteInPlace(path, data)
	}
	return err
}

// WriteTemp brings data to the disk beside path, with mode 0600, for a rename. name is
// that of the new file, which is removed where there is an error.
func WriteTemp(path string, data []byte) (name string, err error) {
	if err := strict.File(path); err != nil {
		return "", err
	}
	file, err := disk.CreateTemp(filepath.Dir(path), temporaryPrefix(path)+"*")
	if err != nil {
		return "", err
	}
	_, err = file.Write(data)
	if err == nil {
		err = Sync(file)
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		disk.Remove(file.Name())
	}
	return file.Name(), err
}

// temporaryPrefix is what the names of WriteTemp's files begin with.
func temporaryPrefix(path string) string { return "." + filepath.Base(path) + ".tmp-" }

// Temporaries lists what WriteTemp has left beside path: writers that were killed, and
// those that are at work.
func Temporaries(path string) (found []string) {
	return Beside(path, temporaryPrefix(path))
}

// Beside lists the files in the folder of path whose names begin with prefix, sorted. It
// is empty where the folder cannot be read.
func Beside(path, prefix string) (found []string) {
	folder := filepath.Dir(path)
	entries, err := disk.ReadDir(folder)
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), prefix) {
			found = append(found, filepath.Join(folder, entry.Name()))
		}
	}
	return found
}

// WhyInPlace is why a file is to be written in place, by the error of the rename that was to
// replace it, "" where it is not. One that others can read is not, where they may have it open:
// what is written would be theirs.
func WhyInPlace(path string, err error) string {
	why := irreplaceable(err)
	if why == "" {
		return ""
	}
	if info, err := disk.Stat(path); err != nil || !info.Mode().IsRegular() || heldByReaders && OthersCanRead(info) {
		return ""
	}
	return why
}

// WriteInPlace writes over a file that must not be replaced by a rename: one with several
// hard links, or a mount point. It is on the disk when WriteInPlace returns. A reader, and a
// crash, can meet a mixture of the old content and the new, which is why one should mount a
// folder.
func WriteInPlace(target string, data []byte) error {
	file, err := disk.OpenFile(target, os.O_WRONLY|Nonblock|NoFollow, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.WriteAt(data, 0); err != nil {
		return err
	}
	if err := file.Truncate(int64(len(data))); err != nil {
		return err
	}
	return Sync(file)
}

// SyncFolder makes a rename in it durable. Where the file system has no fsync for folders
// there is nothing to do.
func SyncFolder(path string) error {
	folder, err := disk.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer folder.Close()
	return ignoreUnsupported(Sync(folder))
}

// Deletable is why files in a folder cannot be deleted, nil where they can: it makes one
// whose name begins with prefix, and removes it. A full disk lets files go.
func Deletable(folder, prefix string) error {
	probe, err := disk.CreateTemp(folder, prefix+"*")
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return nil
	}
	if err != nil {
		return err
	}
	probe.Close()
	return disk.Remove(probe.Name())
}

// OthersCanRead goes by the mode: group or world have a right to the file.
func OthersCanRead(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }

// OthersCanWrite goes by the mode: group or world may write.
func OthersCanWrite(info fs.FileInfo) bool { return info.Mode().Perm()&0o022 != 0 }

// IsFolder says whether there is a folder of that name, behind links.
func IsFolder(path string) bool {
	info, err := disk.Stat(path)
	return err == nil && info.IsDir()
}

// ErrDangling is the error for a link into a folder that does not exist.
var ErrDangling = errors.New("is a link into a folder that does not exist")

// Resolve is the file behind symlinks. A dangling link names the file that a write would
// create; the error is [ErrDangling] where no write could.
func Resolve(path string) (string, error) {
	target, err := disk.EvalSymlinks(path)
	if err == nil {
		return target, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	link, err := disk.Readlink(path)
	if err != nil {
		return path, nil // nothing there at all
	}
	if !filepath.IsAbs(link) {
		link = filepath.Join(filepath.Dir(path), link)
	}
	folder, err := disk.EvalSymlinks(filepath.Dir(link))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrDangling, err)
	}
	return filepath.Join(folder, filepath.Base(link)), nil
}

// Cause leaves a temporary file's random name out of an error: each try would read like
// another one.
func Cause(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}
