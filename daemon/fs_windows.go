package daemon

import "io/fs"

// Windows has neither these modes nor these owners: access is by ACL, and the
// profile folder's keeps other users out (S8).
const (
	nonblock = 0
	noFollow = 0
)

func othersCanRead(fs.FileInfo) bool  { return false }
func othersCanWrite(fs.FileInfo) bool { return false }
func hardLinks(fs.FileInfo) uint64    { return 1 }
func isMountPoint(error) bool         { return false }
func ignoreUnsupported(err error) error {
	_ = err // a folder cannot be fsynced here
	return nil
}
