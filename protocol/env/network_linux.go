package env

import "syscall"

// networkTypes are file systems that other machines see too (statfs(2)).
var networkTypes = map[uint32]bool{
	0x6969:     true, // NFS
	0x517b:     true, // SMB
	0xfe534d42: true, // SMB2
	0xff534d42: true, // CIFS
	0x6b414653: true, // AFS
	0x5346414f: true, // OpenAFS
	0x73757245: true, // Coda
	0x00c36400: true, // Ceph
	0x01021997: true, // 9P
	0x65735546: true, // FUSE: sshfs and others, which cannot be told apart here
	0x7461636f: true, // OCFS2
	0x47504653: true, // GPFS
	0x0bd00bd0: true, // Lustre
	0x19830326: true, // BeeGFS
	0x01161970: true, // GFS2
}

// OnNetwork says whether a folder is on a file system that other machines see too: a
// socket there would be in the way of the daemons of those, and locks are weaker. False
// where it cannot be found out.
func OnNetwork(folder string) bool {
	var stat syscall.Statfs_t
	return syscall.Statfs(folder, &stat) == nil && networkTypes[uint32(stat.Type)] // #nosec G115 -- a magic number has 32 bits (statfs(2))
}
