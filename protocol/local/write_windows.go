package local

import (
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// writing is a connection's direction out. A write that finds room in the pipe takes one call; one
// that does not has a thread wait for it.
type writing struct {
	turn sync.Mutex // one write at a time

	mu       sync.Mutex // guards what follows
	deadline time.Time  // zero: none
	timer    *time.Timer
	closed   bool
	pending  *pendingWrite // the one that is under way
}

// pendingWrite is the system's until it has ended, data too.
type pendingWrite struct {
	overlapped syscall.Overlapped
	handle     syscall.Handle
	data       []byte
}

func (w *writing) write(c *Conn, b []byte) (n int, err error) {
	w.turn.Lock()
	defer w.turn.Unlock()
	for n < len(b) && err == nil {
		var wrote int
		wrote, err = w.part(c, b[n:])
		n += wrote
	}
	if err != nil {
		err = &fs.PathError{Op: "write", Path: c.file.Name(), Err: err}
	}
	return n, err
}

// part writes what one call takes. The handle stays open meanwhile, whoever closes the connection.
func (w *writing) part(c *Conn, b []byte) (n int, err error) {
	event, err := newEvent()
	if err != nil {
		return 0, err
	}
	defer syscall.CloseHandle(event)
	p := &pendingWrite{data: append([]byte(nil), b...)} // which does not move
	p.overlapped.HEvent = event | 1                     // or os.File's poller would be told
	ctlErr := c.control(func(h syscall.Handle) error {
		p.handle = h
		if err = w.begin(p); err == nil {
			n, err = p.wait()
		}
		w.end()
		return nil
	})
	if ctlErr != nil { // the file is closed
		return 0, os.ErrClosed
	}
	if err == syscall.ERROR_OPERATION_ABORTED {
		err = w.refused()
	}
	return n, err
}

// begin starts a write, unless its time is over.
func (w *writing) begin(p *pendingWrite) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.over(); err != nil {
		return err
	}
	w.pending = p
	var n uint32
	err := syscall.WriteFile(p.handle, p.data, &n, &p.overlapped)
	if err == syscall.ERROR_IO_PENDING {
		err = nil
	}
	return err
}

// wait returns when the system is done with p.
func (p *pendingWrite) wait() (int, error) {
	var n uint32
	r, _, err := procGetOverlappedResult.Call(uintptr(p.handle), uintptr(unsafe.Pointer(&p.overlapped)), uintptr(unsafe.Pointer(&n)), 1) // #nosec G103 -- the system's call
	if r != 0 {
		err = nil
	}
	return int(n), err
}

func (w *writing) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = nil
}

// over is why nothing is written any more. mu is held.
func (w *writing) over() error {
	switch {
	case w.closed:
		return os.ErrClosed
	case !w.deadline.IsZero() && !time.Now().Before(w.deadline):
		return os.ErrDeadlineExceeded
	}
	return nil
}

// refused is why a write was broken off.
func (w *writing) refused() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return os.ErrClosed
	}
	return os.ErrDeadlineExceeded
}

// breakOff ends the write that is under way, if its time is over.
func (w *writing) breakOff() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pending != nil && w.over() != nil {
		syscall.CancelIoEx(w.pending.handle, &w.pending.overlapped)
	}
}

func (w *writing) until(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	w.deadline, w.timer = t, nil
	if left := time.Until(t); !t.IsZero() {
		w.deadline = time.Now().Add(left) // by the clock that the timer goes by
		w.timer = time.AfterFunc(max(left, 0), w.breakOff)
	}
	if w.closed {
		return os.ErrClosed
	}
	return nil
}

func (w *writing) close() {
	w.mu.Lock()
	w.closed = true
	if w.timer != nil {
		w.timer.Stop()
	}
	w.mu.Unlock()
	w.breakOff()
}
