package local

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"
)

// Conn is one end of a pipe. Its errors are those of a socket where callers tell them
// apart: EPIPE, and io.EOF.
//
// It reads as an [os.File] does, and writes by itself: an os.File keeps one offset for both, of which
// a pipe has none, and so is not to be read and written at the same time.
type Conn struct {
	file *os.File
	out  writing

	server  bool   // this is the daemon's end, and the rest is known of
	client  string // who connected
	unknown error  // why that is not known
	pid     int    // the process that did
	process string // its user
	first   []byte // what had to be read to know it

	mu     sync.Mutex // guards what follows
	ending bool       // by CloseRead
}

func newConn(h syscall.Handle, path string) *Conn {
	return &Conn{file: os.NewFile(uintptr(h), path)} // which finds out that it is overlapped
}

var past = time.Unix(1, 0)

// Read is for one goroutine.
func (c *Conn) Read(b []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	n, err := c.file.Read(b)
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && c.isEnding() {
		return c.readArrived(b)
	}
	if errors.Is(err, errNotConnected) {
		err = io.EOF
	}
	return n, err
}

// readArrived reads what is there. A read whose deadline has passed does not look.
func (c *Conn) readArrived(b []byte) (int, error) {
	if c.arrived() == 0 {
		return 0, io.EOF
	}
	c.file.SetReadDeadline(time.Time{})
	defer c.file.SetReadDeadline(past)
	return c.file.Read(b)
}

func (c *Conn) arrived() (n uint32) {
	c.control(func(h syscall.Handle) error { n = peek(h); return nil })
	return n
}

func (c *Conn) isEnding() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending
}

// Write says EPIPE where the other end is gone.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.out.write(c, b)
	if errors.Is(err, syscall.ERROR_BROKEN_PIPE) || errors.Is(err, errNoData) || errors.Is(err, errNotConnected) {
		err = &fs.PathError{Op: "write", Path: c.file.Name(), Err: syscall.EPIPE}
	}
	return n, err
}

// Close closes this end. The other end still reads what was written.
func (c *Conn) Close() error {
	c.out.close()
	return c.file.Close()
}

// CloseRead ends reading: what has arrived by now is still read, then comes io.EOF.
func (c *Conn) CloseRead() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending = true
	return c.file.SetReadDeadline(past)
}

// CloseWrite is not there: a pipe ends for both directions at once.
func (c *Conn) CloseWrite() error { return errors.ErrUnsupported }

// SetReadDeadline does nothing after CloseRead.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending {
		return nil
	}
	return c.file.SetReadDeadline(t)
}

// SetWriteDeadline is as that of [os.File].
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.out.until(t) }

// SetDeadline sets both.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SyscallConn gives the handle.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return c.file.SyscallConn() }
