package protocol

import (
	"math"
	"syscall"
)

// PeerUID is the user of the process that connected or listened, by the
// kernel's word (SO_PEERCRED). It is -1 with an error when it cannot be known.
func PeerUID(c syscall.Conn) (uid int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	var cred *syscall.Ucred
	var sockErr error
	err = raw.Control(func(fd uintptr) {
		cred, sockErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err != nil {
		return -1, err
	}
	if sockErr != nil {
		return -1, sockErr
	}
	// The kernel writes the whole struct or fails; a socket without a peer has
	// the uid -1. The pid is no sign: it is 0 for a peer in an outer namespace.
	if cred.Uid == math.MaxUint32 {
		return -1, errPeerUnknown
	}
	return int(cred.Uid), nil
}

func checkPeer(c syscall.Conn, others []int) error {
	uid, err := PeerUID(c)
	return allowUID(uid, err, others)
}
