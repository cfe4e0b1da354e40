package peer

import (
	"cmp"
	"syscall"

	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/local"
)

// systemSID is LocalSystem, as root is elsewhere.
const systemSID = "S-1-5-18"

// UID is always -1 with an error: a user is a SID here. [Check] compares those.
func UID(syscall.Conn) (uid int, err error) { return -1, errPeerUnknown }

// User is the SID of the user at the other end, by the kernel's word, "" where that cannot be
// known.
func User(c syscall.Conn) string {
	conn, ok := c.(*local.Conn)
	if !ok {
		return ""
	}
	sid, _ := conn.User()
	return sid
}

// check wants the kernel's word about the other end (S8): the token that opened the pipe, or
// the pipe's owner. The user of the process there must be allowed too, where it can be asked:
// the process may have ended, and we may not open one of the system's.
func check(c syscall.Conn, _ []int) error {
	own, err := disk.OwnUser()
	if err != nil {
		return protocol.Errorf(protocol.CodeDenied, "denied: our own user cannot be known")
	}
	process := ""
	if conn, ok := c.(*local.Conn); ok {
		process = conn.ProcessUser()
	}
	return allowSIDs(own, User(c), process)
}

// allowSIDs is the rule of S3 where a user is a SID; "" is one that is not known.
func allowSIDs(own, word, process string) error {
	if word == "" {
		return protocol.Errorf(protocol.CodeDenied, "denied: %v", errPeerUnknown)
	}
	for _, sid := range []string{word, cmp.Or(process, word)} {
		if sid != own && sid != systemSID {
			return protocol.Errorf(protocol.CodeDenied, "denied: the other end belongs to user %s", sid)
		}
	}
	return nil
}

// overflowIsOneUser: a user is no number here.
func overflowIsOneUser() bool { return true }
