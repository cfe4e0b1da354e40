//go:build !windows

package peer

import (
	"slices"
	"strconv"
	"syscall"

	"github.com/falcred/falcred/protocol"
)

// User is the [UID] of the other end for a log, -1 where it cannot be known.
func User(c syscall.Conn) string {
	uid, _ := UID(c)
	return strconv.Itoa(uid)
}

// allowUID is the rule of S3 and S7 for systems where a user is a number. alone says
// whether the overflow uid is one user, and is asked only where that is ours.
func allowUID(uid, own int, err error, others []int, alone func() bool) error {
	switch {
	case err != nil || uid == -1:
		return protocol.Errorf(protocol.CodeDenied, "denied: %v", errPeerUnknown)
	case uid == 0:
		return nil
	case uid == overflowUID && own == overflowUID && !alone():
		return errManyUsers
	case uid == own, uid != overflowUID && slices.Contains(others, uid):
		return nil
	}
	return protocol.Errorf(protocol.CodeDenied, "denied: the other end belongs to user %d", uint32(uid)) // #nosec G115 -- uid_t has 32 bits, and an int of some machines no more
}
