package daemon

import (
	"io"
	"net"
	"syscall"
	"time"
)

// stream is one connection's bytes, for one goroutine. What the kernel can do at once
// is tried at once, and only what has to be waited for is left to package net. It must
// not be copied once it is open.
type stream struct {
	peer    *net.UnixConn
	timeout time.Duration // of an answer that has to wait for its reader

	raw      syscall.RawConn
	tryRead  func(fd uintptr) bool // made once, not for each line, as tryWrite is; nil where package net reads
	tryWrite func(fd uintptr) bool
	piece    []byte // what tryRead reads into, or what tryWrite has not written yet
	n        int    // what tryRead came to
	err      error
}

// open takes a connection. Quick is that of its socket.
func (s *stream) open(peer *net.UnixConn, timeout time.Duration, quick bool) {
	s.peer, s.timeout = peer, timeout
	raw, err := peer.SyscallConn()
	if err != nil {
		return // it is no connection, as the first read will say
	}
	s.raw = raw
	write := writeNow
	if quick && canBeQuick {
		write = writeQuick
		s.tryRead = func(fd uintptr) bool {
			s.n, s.err = readQuick(fd, s.piece)
			return s.err != syscall.EAGAIN
		}
	}
	s.tryWrite = func(fd uintptr) bool {
		n, _ := write(fd, s.piece) // an error is left to the next write, which meets it again
		s.piece = s.piece[n:]
		return true // whatever came of it: nothing is waited for here
	}
}

// Read waits for the client's next bytes.
func (s *stream) Read(b []byte) (int, error) {
	if s.tryRead == nil {
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

// write gives up on a client that does not read for as long as the timeout. Nearly
// every answer fits the socket's buffer and goes out at once; only one that does not is
// given a time, since a deadline is a timer, and one that is pending costs all
// connections something (package alarm).
func (s *stream) write(line []byte) bool {
	s.piece = line
	s.raw.Write(s.tryWrite)
	rest := s.piece
	s.piece = nil // the caller's
	if len(rest) == 0 {
		return true
	}
	s.peer.SetWriteDeadline(time.Now().Add(s.timeout))
	_, err := s.peer.Write(rest)
	s.peer.SetWriteDeadline(time.Time{})
	return err == nil
}
