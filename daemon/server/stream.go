package server

import (
	"syscall"
	"time"

	"github.com/falcred/falcred/daemon/socket"
)

// stream answers on one connection, for one goroutine; what is read comes from peer
// itself. It must not be copied once it is open.
type stream struct {
	peer     *socket.Conn
	answerBy func() time.Time // how long an answer may wait for its reader

	raw  syscall.RawConn
	once func(fd uintptr) bool // writes rest, as much as fits; made once, not for each answer
	rest []byte                // what is not written yet
}

func (s *stream) open(peer *socket.Conn, answerBy func() time.Time) (err error) {
	s.peer, s.answerBy = peer, answerBy
	s.raw, err = peer.SyscallConn()
	s.once = func(fd uintptr) bool {
		s.rest = s.rest[writeNow(fd, s.rest):]
		return true // whatever came of it: nothing is waited for here
	}
	return err
}

// write is false where the client has not read by answerBy, or is gone: the connection is
// of no more use, since half an answer may have been written. Nearly every answer fits the
// socket's buffer and goes out at once; only one that does not is given a time, since a
// deadline is a timer, and one that is pending costs all connections something (package
// clock).
func (s *stream) write(answer []byte) bool {
	s.rest = answer
	s.raw.Write(s.once) // an error is left to the next write, which meets it again
	rest := s.rest
	s.rest = nil // the caller's
	if len(rest) == 0 {
		return true
	}
	s.peer.SetWriteDeadline(s.answerBy())
	_, err := s.peer.Write(rest)
	s.peer.SetWriteDeadline(time.Time{})
	return err == nil
}
