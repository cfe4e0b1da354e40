package server

import "github.com/falcred/falcred/protocol"

// What others may not ask for on the share socket (S7).

var errOnlyReads = protocol.Errorf(protocol.CodeDenied, "this socket is read-only\nonly its owner can do that, on a socket of his own")

// overreach is logged, and the verb: not what came with it (R12).
const overreach = "a client of the share socket asked for something that only the owner may do"

// sharedQuery is what a request may ask for there: the login, never a key of the
// daemon's environment (R12), as it is. Others cannot have it refreshed before its time.
func sharedQuery(q protocol.Query) (protocol.Query, error) {
	if q.Rejected != "" {
		return q, protocol.Errorf(protocol.CodeDenied, "this socket is read-only and does not take Rejected\nask again later: its owner refreshes ahead of time")
	}
	q.ForceUser, q.MinValid = true, 0
	return q, nil
}
