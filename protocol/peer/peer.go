// Package peer is the kernel's word about who is at the other end of a socket, and the
// rule of who may be: one's own user and root. Where the kernel says nothing for
// certain, nobody is let in.
package peer

import (
	"errors"
	"os"
	"runtime"
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
