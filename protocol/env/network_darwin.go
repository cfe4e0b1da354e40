package env

import "syscall"

// mntLocal is MNT_LOCAL of <sys/mount.h>.
const mntLocal = 0x1000

// OnNetwork says whether a folder is on a file system that other machines see too: a
// socket there would be in the way of the daemons of those, and locks are weaker. False
// where it cannot be found out.
func OnNetwork(folder string) bool {
	var stat syscall.Statfs_t
	return syscall.Statfs(folder, &stat) == nil && stat.Flags&mntLocal == 0
}
