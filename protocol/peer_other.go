//go:build !linux && !darwin && !windows

package protocol

import "net"

// PeerUID knows nobody here, so everybody is refused (S3).
func PeerUID(*net.UnixConn) (uid int, err error) { return -1, errPeerUnknown }

func checkPeer(c *net.UnixConn, _ []int) error {
	uid, err := PeerUID(c)
	return allowUID(uid, err, nil)
}
