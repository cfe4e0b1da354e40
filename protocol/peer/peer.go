// Package peer is the kernel's word about who is at the other end of a socket, and the
// rule of who may be: one's own user and root. Where the kernel says nothing for
// certain, nobody is let in.
package peer

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"syscall"

	"github.com/falcred/falcred/protocol"
)

// overflowUID is what Linux reports for every user that has no number in our
// user namespace: many people, none of whom is us (S7). It is also the number of
// the user nobody, as whom containers like to run: see [KnownUser].
const overflowUID = 65534

// Serves says whether falcred serves on this system. It does not where the user at
// the other end of a socket cannot be known, or where that has never been tried.
const Serves = runtime.GOOS == "linux" || runtime.GOOS == "darwin" || runtime.GOOS == "windows"

// ErrNotServed is the error of everything in falcred that serves, or asks a daemon, on a
// system where it does not serve ([Serves]).
var ErrNotServed = protocol.Errorf(protocol.CodeDenied, "falcred does not serve on %s, where the user at the other end of a socket cannot be known for certain\nuse a key: FAL_KEY", runtime.GOOS)

var errPeerUnknown = errors.New("the peer's user cannot be known")

// Check is nil only when the kernel says that the other end runs as our effective
// user, as root, or as one of others, which are uids. Where it cannot be known, the answer is no: an
// error of the code denied. Both ends ask: the daemon before it reads, the client
// before it sends.
func Check(c syscall.Conn, others ...int) error {
	if c == nil {
		return protocol.Errorf(protocol.CodeDenied, "denied: %v", errPeerUnknown)
	}
	return check(c, others)
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

var errManyUsers = protocol.Errorf(protocol.CodeDenied, "denied: in this user namespace uid %d stands for every user who has no number here, so others cannot be told from you\n"+
	"run as another user, or where all users have a number (no user namespace)", overflowUID)

// KnownUser is nil unless our own effective user is the overflow uid in a user
// namespace in which that stands for others too. Nothing is started or written
// then: whose the files are and who connects cannot be known.
func KnownUser() error {
	if os.Geteuid() == overflowUID && !overflowIsOneUser() {
		return errManyUsers
	}
	return nil
}
