package helper

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"time"

	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/peer"
)

// A daemon can be stopped (SIGSTOP, a frozen container, a debugger), and it can hang. A
// request for a credential, a store and an erase take long by themselves: they wait for the
// issuer, and for a neighbour's lock. So while one is waited for, version is asked on a
// connection of its own, which every daemon that lives answers at once.
type patience struct {
	prompt  time.Duration // list, status, version and stop are waited for
	before  time.Duration // a request is first doubted…
	between time.Duration // …and again
	sign    time.Duration // an answer to version is waited for
	// connect is for one place. A connection to a Unix socket does not wait for the daemon:
	// what takes longer is its queue that stays full, or a file system that hangs.
	connect time.Duration
}

// waits are those of new connections. (It is a variable for tests alone.)
var waits = patience{prompt: 5 * time.Second, before: 2 * time.Second, between: 10 * time.Second, sign: 3 * time.Second, connect: 3 * time.Second}

// endOfOther is S5's: behind a socket that a service manager holds one daemon may be ending,
// which answers what it was asked, or has died, and the next one is about to be started (after
// 5 s by systemd's units), while nobody takes new connections yet.
const endOfOther = 20 * time.Second

// errLate is the cause of a context that ends because a daemon says nothing: late has the
// words.
var errLate = errors.New("no answer")

// watchOver gives a request up where the daemon gives no sign of life.
func (cn *conn) watchOver(ctx context.Context, giveUp func(error)) {
	begun := time.Now()
	for {
		pid, stopped, died := holder(cn.socket)
		doubtful := stopped || pid == 0 && !died || time.Since(begun) > endOfOther
		if !cn.signOfLife(ctx) && ctx.Err() == nil && doubtful {
			giveUp(errLate)
			return
		}
		if pause(ctx, cn.waits.between) != nil {
			return
		}
	}
}

// signOfLife is false where somebody takes connections and says nothing. Who hangs up, and
// who is gone, is no such daemon: what became of the request its own connection tells.
func (cn *conn) signOfLife(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, cn.waits.sign)
	defer cancel()
	s, err := connect(ctx, cn.socket, cn.waits.connect)
	if err != nil {
		return ctx.Err() == nil && !errors.Is(err, errQueueFull) && !errors.Is(err, errHangs)
	}
	defer s.Close()
	defer context.AfterFunc(ctx, func() { s.Close() })()
	if peer.Check(s, cn.others...) != nil {
		return true
	}
	if _, err := s.Write([]byte(protocol.VerbVersion + "\n")); err != nil {
		return true
	}
	_, err = protocol.NewReader(s).ReadLine()
	return err == nil || ctx.Err() == nil
}

// late is why a context has ended, in words where that is a daemon's silence.
func late(ctx context.Context, socket string) error {
	err := context.Cause(ctx)
	if errors.Is(err, errLate) {
		return silent(socket)
	}
	return err
}

// ErrNoAnswer is the error, wrapped in a *[protocol.Error] with words, of a request that a
// daemon does not answer: it is stopped, or hangs, or its queue of connections stays full.
var ErrNoAnswer = errors.New("the daemon does not answer")

type noAnswer struct{ error }

func (e noAnswer) Unwrap() []error { return []error{e.error, ErrNoAnswer} }

// silent is the error for a daemon that says nothing.
func silent(socket string) error { return noAnswer{describe(socket)} }

// describe goes by what can be known about a daemon here.
func describe(socket string) *protocol.Error {
	pid, stopped, _ := holder(socket)
	switch {
	case stopped:
		return protocol.Errorf(protocol.CodeUnavailable, "the daemon (pid %d) at %s does not answer: it is stopped\nlet it go on: kill -CONT %d", pid, socket, pid)
	case pid != 0:
		return protocol.Errorf(protocol.CodeUnavailable, "the daemon (pid %d) at %s does not answer\nsee its log; to end it: %s %d", pid, socket, killing(), pid)
	}
	return protocol.Errorf(protocol.CodeUnavailable, "the daemon at %s does not answer\nit may be stopped or hang; if its socket is forwarded (ssh), the other machine may be out of reach", socket)
}

// mayBeDone is err for what must not be repeated.
func mayBeDone(err error) error {
	var known *protocol.Error
	if !errors.As(err, &known) || known.Code != protocol.CodeUnavailable {
		return err
	}
	text, hint, _ := strings.Cut(known.Message, "\n")
	known = protocol.Errorf(known.Code, "%s; nobody can tell whether it has done what was asked, or will do it later\n%s", text, hint)
	if errors.Is(err, ErrNoAnswer) {
		return noAnswer{known}
	}
	return known
}

// killing is the command that ends a process at once.
func killing() string {
	if runtime.GOOS == "windows" {
		return "taskkill /f /pid"
	}
	return "kill -9"
}
