package daemon

import (
	"io"
	"net"
	"syscall"
	"time"
)

// stream is one connection's bytes, for one goroutine. What the kernel can do at once
// is tried at once (readNow, writeNow), and only what has to be waited for is left to
// package net.
type stream struct {
	peer    *net.UnixConn
	timeout time.Duration // of an answer that has to wait for its reader

	// Of what has no tries, or is closed already, raw is nil.
	raw      syscall.RawConn
	tryRead  func(fd uintptr) bool // made once, not for each line, as tryWrite is
	tryWrite func(fd uintptr) bool
	piece    []byte // what tryRead reads into, or what tryWrite has not written yet
	n        int    // what tryRead has read
	err      error
}

func (s *stream) open(peer *net.UnixConn, timeout time.Duration) {
	s.peer, s.timeout = peer, timeout
	if !hasTries {
		return
	}
	raw, err := peer.SyscallConn()
	if err != nil {
		return
	}
	s.raw = raw
	s.tryRead = func(fd uintptr) bool {
		s.n, s.err = readNow(fd, s.piece)
		return s.err != syscall.EAGAIN
	}
	s.tryWrite = func(fd uintptr) bool {
		n, _ := writeNow(fd, s.piece) // what is wrong, the next write says
		s.piece = s.piece[n:]
		return true // whatever came of it: nothing is waited for here
	}
}

// Read waits for the client's next bytes.
func (s *stream) Read(b []byte) (int, error) {
	if s.raw == nil {
		return s.peer.Read(b)
	}
	s.piece = b
	err := s.raw.Read(s.tryRead)
	s.piece = nil // it is not ours
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
	if s.raw != nil {
		s.piece = line
		s.raw.Write(s.tryWrite)
		line, s.piece = s.piece, nil
	}
	if len(line) == 0 {
		return true
	}
	s.peer.SetWriteDeadline(time.Now().Add(s.timeout))
	_, err := s.peer.Write(line)
	s.peer.SetWriteDeadline(time.Time{})
	return err == nil
}
