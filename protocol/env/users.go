package env

import (
	"math"
	"strconv"
	"strings"

	"github.com/falcred/falcred/protocol"
)

// overflowUID is what Linux reports for every user that has no number in our user
// namespace (see package peer).
const overflowUID = 65534

// AllowUIDs are the users that FALCRED_ALLOW_UIDS lists, comma-separated: to the
// daemon those who may read from its share socket, to a client those whose daemons it
// may read from.
func AllowUIDs(getenv func(string) string) ([]int, error) {
	var uids []int
	for entry := range strings.SplitSeq(getenv("FALCRED_ALLOW_UIDS"), ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		uid, err := strconv.ParseUint(entry, 10, 32)
		if err != nil || uid == math.MaxUint32 {
			return nil, protocol.Errorf(protocol.CodeBadRequest, "FALCRED_ALLOW_UIDS lists no user number: %q\ngive it numbers, separated by commas", entry)
		}
		if uid == overflowUID {
			return nil, protocol.Errorf(protocol.CodeBadRequest, "FALCRED_ALLOW_UIDS cannot list %d: the kernel gives that number to every user who has none here", uid)
		}
		uids = append(uids, int(uid)) // #nosec G115 -- as peer.UID has it, on a machine of 32 bits too
	}
	return uids, nil
}
