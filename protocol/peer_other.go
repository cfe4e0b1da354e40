//go:build !linux && !darwin && !windows

package protocol

import "syscall"

// PeerUID knows nobody here, so everybody is refused (S3).
func PeerUID(syscall.Conn) (uid int, err error) { return -1, errPeerUnknown }

func checkPeer(c syscall.Conn, _ []int) error {
	uid, err := PeerUID(c)
	return allowUID(uid, err, nil)
}
