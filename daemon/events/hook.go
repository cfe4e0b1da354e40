package events

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/protocol/strict"
)

const (
	// hookLimit bounds one run of FALCRED_ON_CHANGE: a command that hangs must
	// not pile up.
	hookLimit = 30 * time.Second
	// hookFarewell is what all runs together get when the daemon ends.
	hookFarewell = 5 * time.Second
	// hookBeat is the pace of runs after a burst of hookBurst: of what comes faster only the
	// newest is told.
	hookBeat  = time.Second
	hookBurst = 16
	// maxChanges wait for a slow command; a further one is dropped, and logged.
	maxChanges = 16
)

// Hook runs FALCRED_ON_CHANGE: once for each change, one after the other. The command
// is the user's own, for /bin/sh (cmd on Windows), in the home where nobody else can
// have put a program there. It finds the change in FALCRED_STATE and FALCRED_CAUSE and
// the home in FAL_HOME_DIR. Its time ends its children's too. Its failure is logged and changes nothing.
type Hook struct {
	command string
	home    string
	log     *slog.Logger
	pending chan Change
	done    chan struct{}
	closing chan struct{}   // closed when nobody may wait for a pace any more
	ctx     context.Context // ends the run that is under way
	stop    context.CancelFunc
}

// OpenHook begins to run command for the changes of a home, until Close. Where command
// is empty it runs nothing.
func OpenHook(command, home string, log *slog.Logger) *Hook {
	h := &Hook{
		command: command, home: home, log: log,
		pending: make(chan Change, maxChanges), done: make(chan struct{}), closing: make(chan struct{}),
	}
	if command == "" {
		return h
	}
	h.ctx, h.stop = context.WithCancel(context.Background())
	go h.runAll()
	return h
}

// Add has the command run and never waits for it. Any goroutine may call it.
func (h *Hook) Add(c Change) {
	if h.command == "" {
		return
	}
	select {
	case h.pending <- c:
	default:
		h.log.Warn("FALCRED_ON_CHANGE is too slow; a change was not reported to it", "state", c.State)
	}
}

// Close lets the command run for what is pending, for five seconds and no longer than
// last does: whoever stops the daemon waits for it. Nothing may be added after it.
func (h *Hook) Close(last context.Context) {
	if h.command == "" {
		return
	}
	close(h.closing)
	close(h.pending)
	defer clock.AfterFunc(hookFarewell, h.stop)()
	defer context.AfterFunc(last, h.stop)()
	<-h.done
	h.stop()
}

func (h *Hook) runAll() {
	defer close(h.done)
	credit, last := float64(hookBurst), clock.Now()
	for c := range h.pending {
		if h.ctx.Err() != nil {
			continue
		}
		now := clock.Now()
		credit, last = min(hookBurst, credit+now.Sub(last).Seconds()/hookBeat.Seconds()), now
		if credit < 1 {
			c = h.newest(c)
			credit, last = 1, clock.Now()
		}
		credit--
		h.run(c)
	}
}

// newest waits for the pace, and is the newest change by then.
func (h *Hook) newest(c Change) Change {
	if task.Wait(hookBeat, h.closing) == 0 {
		return c
	}
	for left := 0; ; left++ {
		select {
		case later, open := <-h.pending:
			if open {
				c = later
				continue
			}
		default:
		}
		if left > 0 {
			h.log.Warn("changes come too fast for FALCRED_ON_CHANGE, which is told the newest", "left out", left)
		}
		return c
	}
}

func (h *Hook) run(c Change) {
	ctx, cancel := context.WithTimeout(h.ctx, hookLimit)
	defer cancel()
	cmd := shell(ctx, h.command)
	if cmd.Dir = h.home; strict.Folder(h.home) != nil { // a logout can be its removal
		cmd.Dir = nobodys()
	}
	cmd.Env = append(withoutKeys(os.Environ()), "FALCRED_STATE="+c.State, "FALCRED_CAUSE="+variable(c.Cause), "FAL_HOME_DIR="+h.home)
	cmd.WaitDelay = time.Second // its children may hold what it had open
	stderr := &lastWords{}
	cmd.Stderr = stderr
	if err := run(cmd); err != nil {
		h.log.Warn("FALCRED_ON_CHANGE failed", "state", c.State, "cause", err, "said", stderr.line())
	}
}

// lastWords keeps the end of what a command says.
type lastWords struct{ end []byte }

func (w *lastWords) Write(p []byte) (int, error) {
	w.end = append(w.end, p...)
	w.end = w.end[max(0, len(w.end)-200):]
	return len(p), nil
}

// line is its last one.
func (w *lastWords) line() string {
	text := strings.TrimSpace(strings.ToValidUTF8(string(w.end), "?"))
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// withoutKeys: no secret reaches a child (R12).
func withoutKeys(environ []string) []string {
	return slices.DeleteFunc(environ, func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains([]string{"FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET", "FALCRED_ON_CHANGE"}, name)
	})
}
