package daemon

import (
	"net"
	"syscall"
	"time"
)

// writer sends the answers of one connection. Nearly every answer fits the socket's
// buffer and goes out at once; only one that does not is given a time, since a
// deadline is a timer, and one that is pending costs all connections something
// (package alarm).
type writer struct {
	peer    *net.UnixConn
	timeout time.Duration
	raw     syscall.RawConn
	attempt func(fd uintptr) bool // made once, not for each answer
	rest    []byte                // what attempt has not written yet
}

func (w *writer) open(peer *net.UnixConn, timeout time.Duration) {
	raw, err := peer.SyscallConn()
	if err != nil {
		return // closed, as the first read will say
	}
	w.peer, w.timeout, w.raw = peer, timeout, raw
	w.attempt = func(fd uintptr) bool {
		w.rest = w.rest[writeNow(fd, w.rest):]
		return true // whatever came of it: nothing is waited for here
	}
}

// write gives up on a client that does not read for as long as the timeout.
func (w *writer) write(line []byte) bool {
	w.rest = line
	w.raw.Write(w.attempt)
	rest := w.rest
	w.rest = nil // the buffer is not ours
	if len(rest) == 0 {
		return true
	}
	w.peer.SetWriteDeadline(time.Now().Add(w.timeout))
	_, err := w.peer.Write(rest)
	w.peer.SetWriteDeadline(time.Time{})
	return err == nil
}
