package daemon

import (
	"context"
	"errors"
	"log/slog"
	"syscall"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/server"
	"github.com/falcred/falcred/daemon/socket"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/strict"
)

// A mistake of configuration (S11) ends each start in the same way, until a person writes a
// line somewhere. So whoever asks is told which, where a service manager has made the
// socket, and the manager is told by the exit status not to try again.

// toldFor is how long requests are answered with a mistake of configuration.
const toldFor = 30 * time.Second

// Mistake is an error of the configuration: the environment, falcred.env, the home's issuer,
// or who can write the home. The second line of its text, if any, is what to do.
type Mistake struct{ cause error }

// Error is what is wrong, and on its second line what to do.
func (e *Mistake) Error() string {
	text, hint := fsx.Explain(e.cause)
	if hint != "" {
		text += "\n" + hint
	}
	return text
}

// Unwrap is the error as it was found.
func (e *Mistake) Unwrap() error { return e.cause }

// asMistake makes a Mistake of an error of the configuration, unless the system's own word
// is in it: a home that is away, a disk that fails. Those pass.
func asMistake(err error) error {
	var system syscall.Errno
	if err == nil || strict.As(err) == nil && errors.As(err, &system) {
		return err
	}
	return &Mistake{err}
}

// Refuse is the life of a daemon that cannot even begin, since [Load] has returned err: where
// a service manager hands a socket over and err is a [Mistake], each request there is
// answered with it for 30 s, or until ctx ends. It returns err.
func Refuse(ctx context.Context, err error, log *slog.Logger) error {
	sock, unusable := socket.Inherited()
	if unusable != nil {
		return errors.Join(err, unusable)
	}
	return refuse(ctx, sock, err, log)
}

// refuse is Refuse on a socket, which may be nil, and which it closes.
func refuse(ctx context.Context, sock *socket.Socket, err error, log *slog.Logger) error {
	if sock == nil {
		return err
	}
	defer sock.Close()
	if !errors.As(err, new(*Mistake)) || !sock.Inherited() {
		return err
	}
	log.Error("cannot start: the configuration has a mistake; clients are told so for 30 s", "cause", err)
	ctx, end := context.WithTimeout(ctx, toldFor)
	defer end()
	total := clock.After(ctx, login.TotalEnd) // S5
	answer := protocol.Errorf(protocol.CodeInternal, "falcred cannot start: %v", err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Refusing(answer, server.Options{Log: log, Stop: end}).Serve(ctx, sock)
	}()
	select {
	case <-done:
	case <-total.Done():
	}
	return err
}
