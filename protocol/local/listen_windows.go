package local

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/falcred/falcred/protocol/disk"
)

// waiting is how many instances of a pipe wait for clients: its queue, as long as one thread
// can wait for. Who finds none of them free has to try again.
const waiting = 63

// firstTime is how long a client may take for its first byte that has to be read from before
// its user is known.
const firstTime = 10 * time.Second

// label keeps out the programs of our own user that the system trusts less than others (as a
// browser's own): such a client may neither write nor read.
const label = "S:(ML;;NWNR;;;ME)"

// Listener makes connections of those who open a pipe.
type Listener struct {
	path, name string
	descriptor []byte         // who may open it
	wake       syscall.Handle // Close's, who sets it, and frees it when nothing waits for it any more
	accepted   chan result
	slots      chan struct{} // one for each client that is connected and not accepted
	closed     chan struct{} // by Close
	expired    chan struct{} // by SetDeadline
	closeOnce  sync.Once
	expireOnce sync.Once
	ended      chan struct{} // when nothing waits any more
}

type result struct {
	conn *Conn
	err  error
}

// Listen makes a pipe, and has the file at path name it, whatever that named before. It is
// for our own user and the system alone, from its first moment; no other process has the
// name already, and none can add to it.
func Listen(path string) (*Listener, error) {
	l, err := newListener(path)
	if err != nil {
		return nil, &fs.PathError{Op: "listen", Path: path, Err: bare(err)}
	}
	return l, nil
}

func newListener(path string) (*Listener, error) {
	own, err := disk.OwnUser()
	if err != nil {
		return nil, err
	}
	descriptor, err := disk.Descriptor("O:" + own + "D:P(A;;GA;;;" + own + ")(A;;GA;;;SY)" + label)
	if err != nil {
		return nil, err
	}
	l := &Listener{
		path:       path,
		name:       fmt.Sprintf("%sfalcred-%016x%016x", pipePrefix, rand.Uint64(), rand.Uint64()), // #nosec G404 -- no secret, and seeded by the system
		descriptor: descriptor,
		accepted:   make(chan result),
		slots:      make(chan struct{}, waiting),
		closed:     make(chan struct{}),
		expired:    make(chan struct{}),
		ended:      make(chan struct{}),
	}
	var queue []*instance
	if l.wake, err = newEvent(); err == nil {
		queue, err = l.begin()
	}
	if err == nil {
		err = writeAddress(path, l.name)
	}
	if err != nil {
		free(queue)
		if l.wake != 0 {
			syscall.CloseHandle(l.wake)
		}
		return nil, err
	}
	go l.serve(queue)
	return l, nil
}

// begin makes the first instances.
func (l *Listener) begin() (queue []*instance, err error) {
	for len(queue) < waiting {
		i := new(instance)
		queue = append(queue, i)
		if err := i.wait(l, len(queue) == 1); err != nil {
			return queue, err
		}
	}
	return queue, nil
}

// writeAddress replaces the file at path. Who reads it reads one or the other.
func writeAddress(path, name string) error {
	file, err := disk.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.new")
	if err != nil {
		return err
	}
	if _, err = file.Write([]byte(name + "\n")); err == nil {
		err = file.Sync() // or a power cut can leave the name of a file of zeros
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = disk.Rename(file.Name(), path)
	}
	if err != nil {
		disk.Remove(file.Name())
	}
	return err
}

// Named says whether the file still names this pipe.
func (l *Listener) Named() (bool, error) {
	name, err := readAddress(l.path)
	if err == syscall.ENOTSOCK {
		err = nil
	}
	return name == l.name, err
}

// AcceptUnix has its name from [net.UnixListener], in whose place this is. The error is
// [os.ErrClosed] or [os.ErrDeadlineExceeded]; any other passes.
func (l *Listener) AcceptUnix() (*Conn, error) {
	select {
	case r := <-l.accepted:
		return r.conn, r.err
	case <-l.expired:
		return nil, os.ErrDeadlineExceeded
	case <-l.closed:
		return nil, os.ErrClosed
	}
}

// SetDeadline ends accepting at that time, for good.
func (l *Listener) SetDeadline(t time.Time) error {
	time.AfterFunc(time.Until(t), func() { l.expireOnce.Do(func() { close(l.expired) }) })
	return nil
}

// Close ends it. The file stays.
func (l *Listener) Close() error {
	l.closeOnce.Do(func() {
		close(l.closed)
		procSetEvent.Call(uintptr(l.wake))
		<-l.ended
		syscall.CloseHandle(l.wake)
	})
	return nil
}

// serve has others wait in the place of who connects, the longest waiting first. One thread
// of the system's waits for all.
func (l *Listener) serve(queue []*instance) {
	defer close(l.ended)
	defer func() { free(queue) }()
	for {
		n, err := l.next(queue)
		if err != nil && !l.give(nil, err) || err == nil && n < 0 {
			return
		}
		if err != nil {
			continue
		}
		select {
		case l.slots <- struct{}{}:
		case <-l.closed:
			return
		}
		i := queue[n]
		queue = append(append(queue[:n], queue[n+1:]...), i)
		go l.connected(i.handle)
		i.handle = syscall.InvalidHandle
		for err := i.wait(l, false); err != nil; err = i.wait(l, false) {
			if !l.give(nil, err) {
				return
			}
		}
	}
}

// next waits for an instance to be connected; -1 is the end.
func (l *Listener) next(queue []*instance) (int, error) {
	handles := []syscall.Handle{l.wake}
	for _, i := range queue {
		handles = append(handles, i.event)
	}
	n, _, err := procWaitForMultipleObjects.Call(uintptr(len(handles)), uintptr(unsafe.Pointer(&handles[0])), 0, syscall.INFINITE) // #nosec G103 -- the system's call
	if n >= uintptr(len(handles)) {
		return 0, err
	}
	return int(n) - 1, nil
}

// connected makes a connection of a client, and gives it to AcceptUnix. One without
// SECURITY_SQOS_PRESENT may be known by what it writes only, for which nobody else waits.
func (l *Listener) connected(h syscall.Handle) {
	c := newConn(h, l.path)
	err := c.identify()
	if !errors.Is(err, errCannotImpersonate) {
		l.give(c, nil)
		<-l.slots
		return
	}
	<-l.slots
	c.file.SetReadDeadline(time.Now().Add(firstTime))
	first := make([]byte, 1)
	if n, _ := c.file.Read(first); n == 1 {
		c.first = first
		c.identify()
	}
	c.file.SetReadDeadline(time.Time{})
	l.give(c, nil)
}

// give is false at the end.
func (l *Listener) give(c *Conn, err error) bool {
	select {
	case l.accepted <- result{c, err}:
		return true
	case <-l.closed:
		if c != nil {
			c.Close()
		}
		return false
	}
}

func free(queue []*instance) {
	for _, i := range queue {
		i.free()
	}
}

// instance is one end of the pipe that waits to be connected to.
type instance struct {
	handle, event syscall.Handle
	overlapped    syscall.Overlapped // the system's until event is set
}

// wait has it wait.
func (i *instance) wait(l *Listener, first bool) (err error) {
	if i.event == 0 {
		if i.event, err = newEvent(); err != nil {
			return err
		}
	}
	if i.handle, err = createPipe(l.name, l.descriptor, first); err != nil {
		return err
	}
	procResetEvent.Call(uintptr(i.event))
	i.overlapped = syscall.Overlapped{HEvent: i.event}
	r, _, err := procConnectNamedPipe.Call(uintptr(i.handle), uintptr(unsafe.Pointer(&i.overlapped))) // #nosec G103 -- the system's call
	switch {
	case r != 0, err == errPipeConnected, err == errNoData: // it may have left already, and is met by who reads
		procSetEvent.Call(uintptr(i.event))
	case err != syscall.ERROR_IO_PENDING:
		syscall.CloseHandle(i.handle)
		i.handle = syscall.InvalidHandle
		return err
	}
	return nil
}

// free closes it, once the system does not write into it any more.
func (i *instance) free() {
	if i.handle != syscall.InvalidHandle {
		var n uint32
		if i.event != 0 && syscall.CancelIoEx(i.handle, &i.overlapped) == nil {
			procGetOverlappedResult.Call(uintptr(i.handle), uintptr(unsafe.Pointer(&i.overlapped)), uintptr(unsafe.Pointer(&n)), 1) // #nosec G103 -- the system's call
		}
		syscall.CloseHandle(i.handle)
	}
	if i.event != 0 {
		syscall.CloseHandle(i.event)
	}
	runtime.KeepAlive(i)
}
