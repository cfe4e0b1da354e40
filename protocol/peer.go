package protocol

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// overflowUID is what Linux reports for every user that has no number in our
// user namespace: many people, none of whom is us (S7).
const overflowUID = 65534

var errPeerUnknown = errors.New("the peer's user cannot be known")

// CheckPeer is nil only when the kernel says that the other end runs as our
// effective user, as root (S3), or as one of others (S7). Where it cannot be
// known, the answer is no. Both ends ask: the daemon before it reads, the client
// before it sends.
func CheckPeer(c syscall.Conn, others ...int) error {
	if c == nil {
		return Errorf(CodeDenied, "denied: %v", errPeerUnknown)
	}
	return checkPeer(c, others)
}

// allowUID is the rule of S3 and S7 for systems where a user is a number.
func allowUID(uid int, err error, others []int) error {
	switch {
	case err != nil || uid < 0:
		return Errorf(CodeDenied, "denied: %v", errPeerUnknown)
	case uid == 0:
		return nil
	case uid == overflowUID || uid != os.Geteuid() && !slices.Contains(others, uid):
		return Errorf(CodeDenied, "denied: the other end belongs to user %d", uid)
	}
	return nil
}

// AllowUIDs are the users that FALCRED_ALLOW_UIDS lists, comma-separated: to the
// daemon those who may read from its share socket, to a client those who may
// serve it (S7).
func AllowUIDs(getenv func(string) string) ([]int, error) {
	var uids []int
	for entry := range strings.SplitSeq(getenv("FALCRED_ALLOW_UIDS"), ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		uid, err := strconv.ParseUint(entry, 10, 31)
		if err != nil {
			return nil, Errorf(CodeBadRequest, "FALCRED_ALLOW_UIDS lists no user number: %q\ngive it numbers, separated by commas", entry)
		}
		if uid == overflowUID {
			return nil, Errorf(CodeBadRequest, "FALCRED_ALLOW_UIDS cannot list %d: the kernel says that of every user it has no number for", uid)
		}
		uids = append(uids, int(uid))
	}
	return uids, nil
}
