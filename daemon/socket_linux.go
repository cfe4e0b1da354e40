package daemon

import (
	"context"
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// listenPrivate makes a socket that is 0600 from its first moment (S2). Linux
// takes the mode of the file that bind(2) makes from the socket's own inode,
// less the umask; so nothing process-wide is touched, and the path never names
// anything else.
//
// Nor can a client pass it descriptors, where the kernel knows SO_PASSRIGHTS (6.16):
// whoever closes one last has to wait for its file to end, which is its sender's affair.
func listenPrivate(path string) (*net.UnixListener, error) {
	private := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		ctlErr := raw.Control(func(fd uintptr) {
			err = unix.Fchmod(int(fd), 0o600)
			refuseDescriptors(fd)
		})
		return errors.Join(ctlErr, err)
	}}
	listener, err := private.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	return listener.(*net.UnixListener), nil
}

// refuseDescriptors holds for connections that are made from now on.
func refuseDescriptors(fd uintptr) {
	unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSRIGHTS, 0)
}

// networkTypes are filesystems that other machines see too (statfs(2)): a
// socket there would be in the way of the daemons of those.
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

func onNetwork(folder string) bool {
	var stat unix.Statfs_t
	return unix.Statfs(folder, &stat) == nil && networkTypes[uint32(stat.Type)] // #nosec G115 -- a magic number has 32 bits (statfs(2))
}
