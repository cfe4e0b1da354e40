//go:build unix

package fsx

import (
	"errors"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// Nonblock keeps a FIFO that stands where a file should be from holding us.
const Nonblock = unix.O_NONBLOCK

// NoFollow has open(2) fail where a link stands.
const NoFollow = unix.O_NOFOLLOW

// OthersCanRead goes by the mode: group or world have a right to the file.
func OthersCanRead(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }

// OthersCanWrite goes by the mode: group or world may write.
func OthersCanWrite(info fs.FileInfo) bool { return info.Mode().Perm()&0o022 != 0 }

// HardLinks is how many names the file has, 1 where that is not known.
func HardLinks(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Nlink) //nolint:unconvert // its width differs between platforms
	}
	return 1
}

// IsMountPoint tells a rename that failed because its target is one.
func IsMountPoint(err error) bool { return errors.Is(err, unix.EBUSY) }

// ignoreUnsupported: some file systems have no fsync for folders.
func ignoreUnsupported(err error) error {
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return err
}
