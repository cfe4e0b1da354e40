package server

import "github.com/falcred/falcred/protocol"

// What others may ask for on the share socket, and what they are told (S7).

// overreach is logged, and the verb: not what came with it (R12).
const overreach = "a client of the share socket asked for something that only the owner may do"

var errOnlyReads = protocol.Errorf(protocol.CodeDenied, "this socket is read-only")

// sharedQuery is what a request may ask for there: the login, never a key of the
// daemon's environment (R12), as it is. Others cannot have it refreshed before its time.
func sharedQuery(q protocol.Query) (protocol.Query, error) {
	if q.Rejected != "" || q.Team != nil { // nor do others choose who pays
		return q, errOnlyReads
	}
	q.ForceUser, q.MinValid = true, 0
	return q, nil
}

// toOthers is all that others are told of what is wrong: one text for each code. What the
// owner is told names his paths, his account, his team, and hosts.
var toOthers = map[protocol.Code]*protocol.Error{
	protocol.CodeNotFound:       protocol.ErrNotFound,
	protocol.CodeNoServerURL:    protocol.ErrNoServerURL,
	protocol.CodeLoginRequired:  protocol.Errorf(protocol.CodeLoginRequired, "the login that is shared here has ended\nits owner has to log in again"),
	protocol.CodeUnavailable:    protocol.Errorf(protocol.CodeUnavailable, "the login that is shared here cannot be served now\ntry again later"),
	protocol.CodeTeamUnresolved: protocol.Errorf(protocol.CodeTeamUnresolved, "the team of the login that is shared here is not known now\ntry again later, or ask its owner"),
	protocol.CodeBadRequest:     protocol.Errorf(protocol.CodeBadRequest, "bad request"),
	protocol.CodeDenied:         protocol.Errorf(protocol.CodeDenied, "denied: this socket is read-only, and for those whom its owner names\nask its owner, whose FALCRED_ALLOW_UIDS names them"),
	protocol.CodeInternal:       protocol.Errorf(protocol.CodeInternal, "the login that is shared here cannot be used\nits owner can find out why: falcred doctor"),
}

// lineOf is an answer as it is sent: the one place that an error passes on its way to others.
func lineOf(answer any, shared bool) []byte {
	if err, failed := answer.(error); failed && shared {
		answer = forOthers(err)
	}
	line, err := protocol.AppendAnswer(nil, answer)
	if err != nil { // it fits no line; an error of ours does
		return lineOf(errNoLine, shared)
	}
	return line
}

func forOthers(err error) *protocol.Error {
	if told := toOthers[protocol.AsError(err).Code]; told != nil {
		return told
	}
	return toOthers[protocol.CodeInternal]
}

// errNoLine is no fault of the request, unlike [protocol.ErrTooLong].
var errNoLine = protocol.Errorf(protocol.CodeInternal, "the answer does not fit a line of 64 KiB")
