package protocol

import (
	"bytes"
	"io"
	"time"
)

// What this version of the wire fixes.
const (
	// Version is the Protocol member of the version answer. It rises only when
	// ignoring unknown members is not enough for an old client.
	Version = 1

	// DefaultServer is the server that a client asks for when it is told none.
	DefaultServer = "https://fal.run"

	// TokenUsername is docker's mark for "the secret is a token, not a password".
	TokenUsername = "<token>"

	// MaxLine is the longest line in bytes, its LF included. Access tokens are
	// JWTs of a few KiB, seldom over 8; this leaves room for several of them and
	// keeps what a hostile client can make the daemon hold small.
	MaxLine = 64 << 10

	// MaxMinValid is a year in seconds. No access token lives that long; a larger
	// number is a mistake about the unit, and could overflow a time.Duration.
	MaxMinValid = 366 * 24 * 60 * 60

	// RequestTimeout is how long a request may take from its first byte to its LF.
	RequestTimeout = 10 * time.Second
	// AnswerTimeout is how long an answer may wait for its reader.
	AnswerTimeout = 10 * time.Second
)

// ExitConfig is the exit status of a daemon whose configuration a person has to correct first (EX_CONFIG of
// sysexits.h): whoever starts daemons does not start it again.
const ExitConfig = 78

// Reader reads lines at either end of a connection, for one goroutine. It is not
// bufio's, so that a daemon can hold it and its buffer in one piece with the
// connection: with a thousand of those, fetching them from memory is most of a
// request's time.
type Reader struct {
	src  io.Reader
	own  []byte // what it reads into unless a line needs more
	buf  []byte // own, or a larger one while a line needs it
	r, w int    // what was read and not yet taken is buf[r:w]
	last string // the line that came last: most clients write the same one again
}

// NewReader has a buffer for an answer: most are a token of a few KiB.
func NewReader(r io.Reader) *Reader {
	reader := NewRequestReader(r, make([]byte, 4<<10))
	return &reader
}

// NewRequestReader reads into buf, which must not be empty and is the Reader's from
// now on. The Reader must not be copied once it is used.
func NewRequestReader(r io.Reader, buf []byte) Reader {
	return Reader{src: r, own: buf, buf: buf}
}

// Fill blocks until at least one byte is buffered. A server lets it wait
// without a deadline and starts [RequestTimeout] when it returns.
func (r *Reader) Fill() error {
	if r.r < r.w {
		return nil
	}
	return r.more()
}

// more reads once, after what is buffered already.
func (r *Reader) more() error {
	r.makeRoom()
	n, err := r.src.Read(r.buf[r.w:])
	r.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// makeRoom holds at most twice what of a line has come, and nothing of a line
// that was taken.
func (r *Reader) makeRoom() {
	switch {
	case r.r == r.w:
		r.buf, r.r, r.w = r.own, 0, 0
	case r.w < len(r.buf):
	case r.r > 0:
		r.r, r.w = 0, copy(r.buf, r.buf[r.r:r.w])
	default:
		larger := make([]byte, min(2*len(r.buf), MaxLine))
		copy(larger, r.buf)
		r.buf = larger
	}
}

// Next is ReadLine for a line that is here up to its LF. Where it is not, a server
// bounds the time that the rest of it takes.
func (r *Reader) Next() (line string, whole bool) {
	end := bytes.IndexByte(r.buf[r.r:r.w], '\n')
	if end < 0 {
		return "", false
	}
	return r.take(end + 1), true
}

// ReadLine returns the next line without its LF or CRLF. The error is
// [ErrTooLong] as soon as [MaxLine] bytes came without an LF, io.EOF between
// lines, and io.ErrUnexpectedEOF within one; it never returns half a line.
func (r *Reader) ReadLine() (string, error) {
	for seen := 0; ; {
		part := r.buf[r.r:r.w]
		if end := bytes.IndexByte(part[seen:], '\n'); end >= 0 {
			return r.take(seen + end + 1), nil
		}
		if seen = len(part); seen >= MaxLine {
			return "", ErrTooLong
		}
		if err := r.more(); err == io.EOF && seen > 0 {
			return "", io.ErrUnexpectedEOF
		} else if err != nil {
			return "", err
		}
	}
}

// Buffered reports whether bytes of a further line are already here.
func (r *Reader) Buffered() bool { return r.r < r.w }

// take is the next line, which has n bytes with its LF. It makes no second string of
// one that came before.
func (r *Reader) take(n int) string {
	line := trimEOL(r.buf[r.r : r.r+n])
	r.r += n
	if len(line) > len(r.own) {
		return string(line)
	}
	if string(line) != r.last {
		r.last = string(line)
	}
	return r.last
}

func trimEOL(line []byte) []byte {
	line = line[:len(line)-1]
	return bytes.TrimSuffix(line, []byte("\r"))
}
