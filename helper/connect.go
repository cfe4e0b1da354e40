package helper

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/local"
	"github.com/falcred/falcred/protocol/peer"
)

// The causes of a connection that takes too long.
var (
	errQueueFull = errors.New("the daemon accepts no connections: too many are waiting")
	errHangs     = errors.New("its file system does not answer")
)

// connect waits while the daemon's queue of connections is full, up to a limit: Linux says
// EAGAIN then, at once, as a pipe of Windows does, and a thousand scripts that start together see
// it. The longer they wait, the less often they ask: the daemon needs the machine.
func connect(ctx context.Context, socket string, limit time.Duration) (*local.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errHangs)
	defer cancel()
	full, wait := false, 5*time.Millisecond
	for {
		s, err := openWithin(ctx, socket)
		if errors.Is(err, syscall.EAGAIN) {
			full = true
			if err = pause(ctx, wait); err == nil {
				wait = min(wait*3/2, 50*time.Millisecond)
				continue
			}
		}
		if full && errors.Is(err, errHangs) {
			err = errQueueFull
		}
		return s, err
	}
}

// openWithin leaves a system call behind that never returns, as on a file system whose
// server is gone.
func openWithin(ctx context.Context, socket string) (*local.Conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	type result struct {
		s   *local.Conn
		err error
	}
	opened := make(chan result)
	go func() {
		s, err := local.Dial(socket)
		select {
		case opened <- result{s, err}:
		case <-ctx.Done():
			if err == nil {
				s.Close()
			}
		}
	}()
	select {
	case r := <-opened:
		return r.s, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// explain is what a failed connection says about a place, nil where nothing there keeps a
// daemon from being started, and whether to go on to the next one.
func explain(err error, socket string, first bool) (found error, goOn bool) {
	var call *os.SyscallError
	switch {
	case nobodyThere(err), !peer.Serves: // there is nobody to be found there
		return nil, true
	case errors.Is(err, fs.ErrPermission) && first && nameTaken(socket): // where a daemon that is started here will listen
		return nil, true
	case errors.Is(err, fs.ErrPermission) && first: // EACCES, EPERM
		return protocol.Errorf(protocol.CodeDenied,
			"no permission to connect to %s\nit belongs to another user: set FALCRED_SOCKET or FAL_HOME_DIR", socket), false
	case errors.Is(err, fs.ErrPermission):
		return nil, true // XDG_RUNTIME_DIR of another user, as su leaves it
	case errors.Is(err, syscall.EMFILE):
		return protocol.Errorf(protocol.CodeUnavailable, "cannot connect to %s: this program may open no more files\nraise its limit (ulimit -n), or have it close some", socket), false
	case errors.As(err, &call) && call.Syscall == "socket": // of this end, and so the same everywhere
		return protocol.Errorf(protocol.CodeUnavailable, "cannot connect to %s: no socket can be made: %v", socket, call.Err), false
	case errors.Is(err, errQueueFull):
		return silent(socket), true
	case !first:
		return nil, true // a daemon that is started here listens at the first
	}
	// ENOTCONN, EIO, ESTALE, or errHangs: of the file system there.
	return protocol.Errorf(protocol.CodeUnavailable, "cannot connect to %s: %v\nsee: falcred doctor", socket, cause(err)), true
}

// nobodyThere tells a missing daemon from a failure of this end, such as too
// many open files, which starting a daemon would not help.
func nobodyThere(err error) bool {
	for _, e := range []syscall.Errno{
		syscall.ENOENT, syscall.ENOTDIR, syscall.ECONNREFUSED, syscall.ENOTSOCK,
		syscall.EPROTOTYPE, syscall.ELOOP,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// cause leaves out what the text around it says already: the call, and the path.
func cause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
