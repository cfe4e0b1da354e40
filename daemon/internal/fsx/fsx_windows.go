package fsx

import "io/fs"

// Nonblock and NoFollow are nothing on Windows, which has neither FIFOs in folders nor these
// modes and owners: access is by ACL, and the profile folder's keeps other users out.
const (
	Nonblock = 0
	NoFollow = 0
)

// OthersCanRead is not found out here.
func OthersCanRead(fs.FileInfo) bool { return false }

// OthersCanWrite is not found out here.
func OthersCanWrite(fs.FileInfo) bool { return false }

// HardLinks are not counted here.
func HardLinks(fs.FileInfo) uint64 { return 1 }

// IsMountPoint is never so here.
func IsMountPoint(error) bool { return false }

func ignoreUnsupported(err error) error {
	_ = err // a folder cannot be fsynced here
	return nil
}
