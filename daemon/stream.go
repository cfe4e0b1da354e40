package daemon

import (
	"io"
	"net"
	"syscall"
	"time"
)

// stream is one connection's bytes, for one goroutine. What the kernel can do at once
// is tried at once (readNow, writeNow), and only what has to be waited for is left to
// package net. It must not be copied once it is open.
type stream struct {
	peer     *net.UnixConn
	answerBy func() time.Time // how long an answer may wait for its reader

	raw      syscall.RawConn       // nil where there are no tries
	tryRead  func(fd uintptr) bool // made once, not for each line, as tryWrite is
	tryWrite func(fd uintptr) bool
	quick    bool   // the connection takes no descriptors
	asked    bool   // whether the kernel was asked for that
	piece    []byte // what tryRead reads into, or what tryWrite has not written yet
	n        int    // what tryRead came to
	err      error
}

func (s *stream) open(peer *net.UnixConn, answerBy func() time.Time) {
	s.peer, s.answerBy = peer, answerBy
	raw, err := peer.SyscallConn()
	if err != nil || !canTry {
		return
	}
	s.raw = raw
	s.tryRead = func(fd uintptr) bool {
		if !s.asked {
			s.asked, s.quick = true, takesNoDescriptors(fd)
		}
		s.n, s.err = uninterrupted(readNow, fd, s.piece, s.quick)
		return s.err != syscall.EAGAIN
	}
	s.tryWrite = func(fd uintptr) bool {
		n, _ := uninterrupted(writeNow, fd, s.piece, s.quick) // an error is left to the next write, which meets it again
		s.piece = s.piece[n:]
		return true // whatever came of it: nothing is waited for here
	}
}

// uninterrupted makes a call again that a signal has ended.
func uninterrupted(call func(uintptr, []byte, bool) (int, error), fd uintptr, b []byte, quick bool) (int, error) {
	for {
		if n, err := call(fd, b, quick); err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

// Read waits for the client's next bytes.
func (s *stream) Read(b []byte) (int, error) {
	if s.raw == nil {
		return s.peer.Read(b)
	}
	s.piece = b
	err := s.raw.Read(s.tryRead)
	s.piece = nil // the caller's
	switch {
	case err != nil:
		return 0, err
	case s.err != nil:
		return 0, s.err
	case s.n == 0:
		return 0, io.EOF
	}
	return s.n, nil
}

// write gives up on a client that has not read by then. Nearly
// every answer fits the socket's buffer and goes out at once; only one that does not is
// given a time, since a deadline is a timer, and one that is pending costs all
// connections something (package alarm).
func (s *stream) write(line []byte) bool {
	if s.raw != nil {
		s.piece = line
		s.raw.Write(s.tryWrite)
		line, s.piece = s.piece, nil
	}
	if len(line) == 0 {
		return true
	}
	s.peer.SetWriteDeadline(s.answerBy())
	_, err := s.peer.Write(line)
	s.peer.SetWriteDeadline(time.Time{})
	return err == nil
}
