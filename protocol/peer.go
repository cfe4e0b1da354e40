package protocol

import (
	"errors"
	"net"
	"os"
)

// overflowUID is what Linux reports for every user that has no number in our
// user namespace: many people, none of whom is us (S7).
const overflowUID = 65534

var errPeerUnknown = errors.New("the peer's user cannot be known")

// CheckPeer is nil only when the kernel says that the other end runs as our
// effective user or as root (S3). Where it cannot be known, the answer is no.
// Both ends ask: the daemon before it reads, the client before it sends.
func CheckPeer(c *net.UnixConn) error {
	if c == nil {
		return Errorf(CodeDenied, "denied: %v", errPeerUnknown)
	}
	return checkPeer(c)
}

// allowUID is the rule of S3 for systems where a user is a number.
func allowUID(uid int, err error) error {
	switch {
	case err != nil || uid < 0:
		return Errorf(CodeDenied, "denied: %v", errPeerUnknown)
	case uid == 0:
		return nil
	case uid == overflowUID || uid != os.Geteuid():
		return Errorf(CodeDenied, "denied: the other end belongs to user %d", uid)
	}
	return nil
}
