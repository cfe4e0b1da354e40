package fsx

import "golang.org/x/sys/unix"

// OnNetwork says whether a folder is on a file system that other machines see too: a
// socket there would be in the way of the daemons of those, and locks are weaker. False
// where it cannot be found out.
func OnNetwork(folder string) bool {
	var stat unix.Statfs_t
	return unix.Statfs(folder, &stat) == nil && stat.Flags&unix.MNT_LOCAL == 0
}
