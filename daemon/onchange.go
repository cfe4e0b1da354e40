package daemon

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/strict"
)

// onChangeLimit bounds one run of FALCRED_ON_CHANGE: a command that hangs must
// not pile up.
const onChangeLimit = 30 * time.Second

// onChangeFarewell is what all of them together get when the daemon ends.
const onChangeFarewell = 5 * time.Second

// maxChanges wait for a slow command; a further one is dropped, and said.
const maxChanges = 16

// change is one change of state, as a command is told of it.
type change struct{ state, cause string }

// onChange runs FALCRED_ON_CHANGE (§3): once for each change, one after the
// other, behind the login's back. Its failure is logged and changes nothing.
type onChange struct {
	command string
	home    string
	log     *slog.Logger
	pending chan change
	done    chan struct{}
	ctx     context.Context
	stop    context.CancelFunc
}

func newOnChange(cfg Config, log *slog.Logger) *onChange {
	o := &onChange{
		command: cfg.OnChange, home: cfg.Home, log: log,
		pending: make(chan change, maxChanges), done: make(chan struct{}),
	}
	o.ctx, o.stop = context.WithCancel(context.Background())
	go o.run()
	return o
}

// add never waits.
func (o *onChange) add(c change) {
	if o.command == "" {
		return
	}
	select {
	case o.pending <- c:
	default:
		o.log.Warn("FALCRED_ON_CHANGE is behind; a change was not told", "state", c.state)
	}
}

// close lets what is pending be told, for a short while only: whoever stops the
// daemon waits for it, and no longer than last (S5). Nothing may be added after it.
func (o *onChange) close(last context.Context) {
	close(o.pending)
	limit := time.AfterFunc(onChangeFarewell, o.stop)
	defer limit.Stop()
	defer context.AfterFunc(last, o.stop)()
	<-o.done
	o.stop()
}

func (o *onChange) run() {
	defer close(o.done)
	for c := range o.pending {
		if o.ctx.Err() == nil {
			o.tell(c)
		}
	}
}

func (o *onChange) tell(c change) {
	ctx, cancel := context.WithTimeout(o.ctx, onChangeLimit)
	defer cancel()
	shell, flag := "/bin/sh", "-c"
	if runtime.GOOS == "windows" {
		shell, flag = "cmd", "/C"
	}
	// #nosec G204 -- the user's own command
	cmd := exec.CommandContext(ctx, shell, flag, o.command)
	if cmd.Dir = o.home; strict.Folder(o.home) != nil { // a logout can be its removal
		cmd.Dir = string(filepath.Separator) // not where others could have put a program
	}
	ownGroup(cmd) // the limit ends the shell's children too
	cmd.Env = append(withoutKeys(os.Environ()), "FALCRED_STATE="+c.state, "FALCRED_CAUSE="+c.cause, "FAL_HOME_DIR="+o.home)
	cmd.WaitDelay = time.Second // its children may hold what it had open
	said := &lastWords{}
	cmd.Stderr = said
	if err := cmd.Run(); err != nil {
		o.log.Warn("FALCRED_ON_CHANGE failed", "state", c.state, "cause", err, "said", said.line())
	}
}

// lastWords keeps the end of what a command says.
type lastWords struct{ end []byte }

func (t *lastWords) Write(p []byte) (int, error) {
	t.end = append(t.end, p...)
	t.end = t.end[max(0, len(t.end)-200):]
	return len(p), nil
}

// line is its last one.
func (t *lastWords) line() string {
	text := strings.TrimSpace(strings.ToValidUTF8(string(t.end), "?"))
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// withoutKeys: no secret reaches a child (R12).
func withoutKeys(environ []string) []string {
	return slices.DeleteFunc(environ, func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains([]string{"FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET", "FALCRED_ON_CHANGE"}, name)
	})
}

// changedLocked tells of a new state of the login. The first one after the
// start is no change, unless somebody has to do something about it.
func (l *Login) changedLocked() {
	state := l.loginStateLocked()
	if state == l.told || l.told == "" && state == protocol.StateLoggedOut {
		l.told = state
		return
	}
	first := l.told == ""
	l.told = state
	if first && state == protocol.StateLoggedIn {
		return
	}
	cause := ""
	if t := l.troubleLocked(); t != nil {
		cause = t.text
	}
	l.onChange.add(change{state, cause})
}
