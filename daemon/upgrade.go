package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/socket"
	"github.com/falcred/falcred/daemon/upgrade"
	"github.com/falcred/falcred/protocol/strict"
)

// A daemon that was started on demand has nobody who would restart it when its program is
// upgraded. So it looks, and hands its socket to the new program (S9):
//
//	the new one     starts, with the listener and the lock open, reads the configuration, and
//	                says that it could serve; it has not opened the home
//	the old one     accepts nobody any more, answers what was asked, and ends: clients wait in
//	                the listener's queue
//	the new one     sees that end, reads the home, and serves
//
// Until the old one has let go it can go on as if nothing had been, and does so where the new one
// does not come up. Whoever dies meanwhile, one of the two has the lock, or the next helper starts
// a daemon.

const (
	// notFollowed is what the warning about an upgrade begins with.
	notFollowed = "the new falcred does not take over: "
	// restPatience is how long the new one is kept waiting for a moment at which nothing is
	// under way.
	restPatience = 10 * time.Second
	// letGoLimit is how long clients that wait in the queue wait for one that does not take its
	// answer.
	letGoLimit = time.Second
)

// handover is this daemon's to the next.
type handover struct {
	cfg   Config
	sock  *socket.Socket
	m     *login.Manager
	log   *slog.Logger
	asked context.Context // ends when somebody wants an end, and no next one

	next    *upgrade.Successor // set before the server ends, nil where there is none
	version string             // its
	once    sync.Once
}

// follow looks at the program, once a minute, and has this daemon end where a new one is ready to go
// on. It returns then, or when ctx ends.
func (h *handover) follow(ctx context.Context, end func()) {
	program := h.cfg.Program
	if !program.Follows() {
		return
	}
	minute := clock.New()
	defer minute.Close()
	for nextLook(ctx, &program, minute) {
		why := h.look(ctx, &program)
		if h.next != nil {
			h.sock.Leave(true)
			end()
			clock.AfterFunc(letGoLimit, h.letGo)
			return
		}
		if ctx.Err() == nil {
			h.m.WarnInstead(notFollowed, why)
		}
	}
}

func nextLook(ctx context.Context, program *upgrade.Program, minute *clock.Alarm) bool {
	if program.Every > 0 {
		return task.Wait(program.Every, ctx.Done()) < 0
	}
	return clock.NextMinute(ctx, minute)
}

// look looks once. It says why a new program is not followed, "" where there is none, or where it
// is only to be waited for.
func (h *handover) look(ctx context.Context, program *upgrade.Program) (why string) {
	if !h.m.AtRest() {
		return ""
	}
	version, err := program.Newer(ctx)
	if err != nil {
		return h.explain(err)
	}
	if version == "" {
		return ""
	}
	next, err := h.start(ctx, program)
	if errors.Is(err, upgrade.ErrReplaced) || err != nil && ctx.Err() != nil {
		return ""
	}
	if err != nil {
		program.Failed(err)
		return h.explain(err)
	}
	for waited := time.Duration(0); !h.m.AtRest() && waited < restPatience; waited += restLook {
		task.Wait(restLook, ctx.Done(), next.Gone())
	}
	if ctx.Err() != nil || !next.Alive() || !h.m.AtRest() {
		next.Kill()
		return "" // the next look tries again
	}
	h.log.Info("a new version takes this daemon's place", "version", version, "pid", next.PID())
	h.next, h.version = next, version
	return ""
}

// ending is for the history: why this daemon ends, where nobody asked for it.
func (h *handover) ending() string {
	if h.next == nil || h.asked.Err() != nil {
		return ""
	}
	return "a new version takes its place: " + h.version
}

// restLook is how often it is seen whether nothing is under way.
const restLook = 20 * time.Millisecond

// start starts the new program, to the point where it could serve.
func (h *handover) start(ctx context.Context, program *upgrade.Program) (*upgrade.Successor, error) {
	if h.cfg.ShareSocket != "" {
		return nil, errors.New("the share socket would be gone for a moment\n" + restartHint)
	}
	files, err := h.sock.Descriptors()
	if errors.Is(err, errors.ErrUnsupported) {
		err = errors.New("on this system one program cannot give its socket to the next\n" + restartHint)
	}
	if err != nil {
		return nil, err
	}
	defer files[0].Close()
	defer files[1].Close()
	return program.Start(ctx, files)
}

func (h *handover) explain(err error) string {
	text, hint, _ := strings.Cut(err.Error(), "\n")
	if t := strict.As(err); t != nil {
		text, hint = t.Text, t.Hint
	}
	if hint == "" {
		hint = fmt.Sprintf("see what it says: %s run; this one goes on, until: falcred restart", h.cfg.Program.Path)
	}
	return h.cfg.Program.Path + ": " + text + "\n" + hint
}

// letGo is the end of this daemon's part: the next one serves from now on, unless it is gone, or
// somebody wants no daemon at all. Only the first call does something.
func (h *handover) letGo() {
	h.once.Do(func() {
		switch {
		case h.next == nil:
		case h.asked.Err() == nil && h.next.Alive():
			h.next.Begin()
		default:
			h.next.Kill()
			h.sock.Leave(false)
		}
	})
}

// inherit takes the socket of the daemon before this one, once that has let go of it. What would
// keep this one from serving is found out before: the other one goes on then.
func inherit(ctx context.Context, cfg Config) (*socket.Socket, error) {
	sock, err := socket.Handed(cfg.Inheritance.Socket)
	if err != nil {
		return nil, err
	}
	if err = Check(cfg); err == nil {
		err = cfg.Inheritance.Await(ctx)
	}
	if err == nil {
		err = sock.Own()
	}
	if err != nil {
		sock.Close()
		return nil, err
	}
	return sock, nil
}
