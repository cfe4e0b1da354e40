//go:build linux || darwin

package fsx

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// Room is why a refresh could make no file in a folder now: it may not be written, or its disk
// is full. It is found out without making one, and nil where nothing speaks against it.
func Room(folder string) error {
	if err := unix.Access(folder, unix.W_OK); err != nil {
		return &fs.PathError{Op: "write", Path: folder, Err: err}
	}
	var stat unix.Statfs_t
	if unix.Statfs(folder, &stat) != nil || stat.Blocks == 0 { // some have no size
		return nil
	}
	const needed = 2 * MaxSmall                                                       // an answer, and what is written about it
	if stat.Bavail*uint64(stat.Bsize) < needed || stat.Files > 0 && stat.Ffree == 0 { // #nosec G115 -- a block's size is positive
		return &fs.PathError{Op: "write", Path: folder, Err: unix.ENOSPC}
	}
	return nil
}
