//go:build unix

package fsx

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/falcred/falcred/protocol/disk"
	"golang.org/x/sys/unix"
)

// Nonblock keeps a FIFO that stands where a file should be from holding us.
const Nonblock = unix.O_NONBLOCK

// NoFollow has open(2) fail where a link stands.
const NoFollow = unix.O_NOFOLLOW

// HardLinks is how many names the file has, 1 where that is not known.
func HardLinks(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Nlink) //nolint:unconvert // its width differs between platforms
	}
	return 1
}

// heldByReaders says that what is [irreplaceable] is that since somebody has it open.
const heldByReaders = false // a mount point is no matter of readers

// irreplaceable is why nothing can be renamed over a file, by the error of that, "" where
// it is something else.
func irreplaceable(err error) string {
	if errors.Is(err, unix.EBUSY) {
		return "it is a mount point: mount its folder instead"
	}
	return ""
}

// Tighten takes the rights of all others to a file of ours, which is open. It may have to be
// opened anew for that: go on with what is returned.
func Tighten(_ string, file disk.File) (same disk.File, done bool, err error) {
	return file, file.Chmod(0o600) == nil, nil
}

// ignoreUnsupported: some file systems have no fsync for folders.
func ignoreUnsupported(err error) error {
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return err
}
