package protocol

import (
	"bufio"
	"errors"
	"io"
	"time"
)

// Version is the Protocol member of the version answer. It rises only when
// ignoring unknown members is not enough for an old client.
const Version = 1

// MaxLine is the longest line in bytes, its LF included. Access tokens are
// JWTs of a few KiB, seldom over 8; this leaves room for several of them and
// keeps what a hostile client can make the daemon hold small.
const MaxLine = 64 << 10

const (
	// RequestTimeout is how long a request may take from its first byte to its LF.
	RequestTimeout = 10 * time.Second
	// AnswerTimeout is how long an answer may wait for its reader.
	AnswerTimeout = 10 * time.Second
)

// Reader reads lines at either end of a connection.
type Reader struct {
	br *bufio.Reader
}

// NewReader has a buffer for an answer: most are a token of a few KiB.
func NewReader(r io.Reader) *Reader {
	return &Reader{br: bufio.NewReaderSize(r, 4<<10)}
}

// NewRequestReader has a buffer for a request, which seldom has a hundred
// bytes: thousands of clients may be connected and say nothing.
func NewRequestReader(r io.Reader) *Reader {
	return &Reader{br: bufio.NewReaderSize(r, 256)}
}

// ReadLine returns the next line without its LF or CRLF. The error is
// [ErrTooLong] as soon as [MaxLine] bytes came without an LF, io.EOF between
// lines, and io.ErrUnexpectedEOF within one; it never returns half a line.
func (r *Reader) ReadLine() (string, error) {
	var long []byte
	for {
		part, err := r.br.ReadSlice('\n')
		if len(long)+len(part) > MaxLine || err == bufio.ErrBufferFull && len(long)+len(part) == MaxLine {
			return "", ErrTooLong
		}
		switch {
		case err == nil && long == nil:
			return trimEOL(part), nil
		case err == nil:
			return trimEOL(append(long, part...)), nil
		case errors.Is(err, bufio.ErrBufferFull):
			long = append(long, part...)
		case err == io.EOF && len(long)+len(part) > 0:
			return "", io.ErrUnexpectedEOF
		default:
			return "", err
		}
	}
}

// Buffered reports whether bytes of a further line are already here, so that a
// server can answer pipelined requests with one write.
func (r *Reader) Buffered() bool { return r.br.Buffered() > 0 }

// Fill blocks until at least one byte is buffered. A server lets it wait
// without a deadline and starts [RequestTimeout] when it returns.
func (r *Reader) Fill() error {
	_, err := r.br.Peek(1)
	return err
}

func trimEOL(line []byte) string {
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return string(line)
}
