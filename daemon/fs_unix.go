//go:build unix

package daemon

import (
	"errors"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// nonblock keeps a FIFO that stands where a file should be from holding us.
const nonblock = unix.O_NONBLOCK

// noFollow is for what must be no link (F6).
const noFollow = unix.O_NOFOLLOW

func othersCanRead(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }

func othersCanWrite(info fs.FileInfo) bool { return info.Mode().Perm()&0o022 != 0 }

func hardLinks(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Nlink) //nolint:unconvert // its width differs between platforms
	}
	return 1
}

// isMountPoint tells a rename that failed because its target is one.
func isMountPoint(err error) bool { return errors.Is(err, unix.EBUSY) }

// ignoreUnsupported: some filesystems have no fsync for folders.
func ignoreUnsupported(err error) error {
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return err
}
