package fsx

import "golang.org/x/sys/unix"

// networkTypes are file systems that other machines see too (statfs(2)).
var networkTypes = map[uint32]bool{
	unix.NFS_SUPER_MAGIC:   true,
	unix.SMB_SUPER_MAGIC:   true,
	unix.SMB2_SUPER_MAGIC:  true,
	unix.CIFS_SUPER_MAGIC:  true,
	unix.AFS_FS_MAGIC:      true,
	unix.AFS_SUPER_MAGIC:   true,
	unix.CODA_SUPER_MAGIC:  true,
	unix.CEPH_SUPER_MAGIC:  true,
	unix.V9FS_MAGIC:        true,
	unix.FUSE_SUPER_MAGIC:  true, // sshfs and others, which cannot be told apart here
	unix.OCFS2_SUPER_MAGIC: true,
	0x47504653:             true, // GPFS
	0x0bd00bd0:             true, // Lustre
	0x19830326:             true, // BeeGFS
	0x01161970:             true, // GFS2
}

// OnNetwork says whether a folder is on a file system that other machines see too: a
// socket there would be in the way of the daemons of those, and locks are weaker. False
// where it cannot be found out.
func OnNetwork(folder string) bool {
	var stat unix.Statfs_t
	return unix.Statfs(folder, &stat) == nil && networkTypes[uint32(stat.Type)] // #nosec G115 -- a magic number has 32 bits (statfs(2))
}
