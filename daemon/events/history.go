package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/protocol/strict"
)

// HistoryName is the history's file in the home: a JSON [Event] on each line.
const HistoryName = "falcred.history"

const (
	// maxHistory bounds the file: some thousand lines, months of a quiet login.
	maxHistory = 256 << 10
	// keptHistory is what is left when it has grown to that.
	keptHistory = maxHistory / 2
	// maxPending events wait for a slow disk; more are dropped and counted.
	maxPending = 64
	// maxPerMinute events are written; an end of a login, which is what people look for, is
	// written even among twice as many. Who makes them come so fast must not wear the disk
	// out, nor push all that was before out of the file.
	maxPerMinute = 120
	// historyFarewell is what a slow disk is given when the daemon ends.
	historyFarewell = 2 * time.Second
)

// History writes events into a home, in the order in which they were added. Daemons
// that share the home share the file.
type History struct {
	path    string
	log     *slog.Logger
	pending chan Event
	done    chan struct{}
}

// OpenHistory begins to write the history of a home, until Close. The file is made by
// the first event, and what stands in its place is set aside at once. Failures go to log.
func OpenHistory(home string, log *slog.Logger) *History {
	h := &History{
		path: filepath.Join(home, HistoryName), log: log,
		pending: make(chan Event, maxPending), done: make(chan struct{}),
	}
	strict.Repair(h.path) // what is wrong with that, the first event says
	task.Go(h.write)
	return h
}

// Add has an event written and never waits for it. Any goroutine may call it.
func (h *History) Add(e Event) {
	select {
	case h.pending <- e:
	default:
		h.log.Warn("the disk is too slow: an event is missing from the history", "event", e.Event)
	}
}

// Close has what is pending written, and waits for that no longer than two seconds: the
// end of a daemon must not hang with its disk. Nothing may be added after it.
func (h *History) Close() {
	close(h.pending)
	if task.Wait(historyFarewell, h.done) < 0 {
		h.log.Warn("the disk is too slow: the end of the history is missing")
	}
}

func (h *History) write() {
	defer close(h.done)
	failed := false
	add := func(e Event) {
		err := h.append(e)
		if err != nil && !failed {
			h.log.Warn("the history cannot be written", "cause", err)
		}
		failed = err != nil
	}
	var minute time.Time
	n, left := 0, 0
	for {
		e, open := task.Receive(h.pending)
		if !open {
			return
		}
		if now := clock.Now(); now.Sub(minute) >= time.Minute || e.Event == Stopped {
			if left > 0 {
				add(Event{Time: now.UTC(), Event: LeftOut, Cause: strconv.Itoa(left), PID: e.PID})
			}
			minute, n, left = now, 0, 0
		}
		most := maxPerMinute
		if e.Event == LoginRequired || e.Event == LoggedOut {
			most *= 2
		}
		if n++; n > most {
			left++
			continue
		}
		add(e)
	}
}

// append is one write of one line: daemons that share a home do not mix theirs.
func (h *History) append(e Event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	flags := os.O_RDWR | os.O_APPEND
	if e.Event != LoggedOut && e.Event != Vanished && e.Event != Refused {
		flags |= os.O_CREATE // those can be an `rm -r` of the home, which a new file would stop
	}
	file, err := strict.OpenRepaired(h.path, flags, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the home is gone
	}
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if fsx.OthersCanRead(info) {
		file.Chmod(0o600)
	}
	if last := make([]byte, 1); info.Size() > 0 {
		if _, err := file.ReadAt(last, info.Size()-1); err == nil && last[0] != '\n' {
			line = append([]byte("\n"), line...) // a full disk has cut the one before
		}
	}
	if _, err := file.Write(append(line, '\n')); err != nil || info.Size() < maxHistory {
		return err
	}
	return h.shorten()
}

// shorten keeps the newest half. A line that another daemon adds at this very
// moment may be lost.
func (h *History) shorten() error {
	data, err := fsx.ReadTail(h.path, keptHistory)
	if err != nil || len(data) < keptHistory {
		return err
	}
	_, data, _ = bytes.Cut(data, []byte("\n"))
	return fsx.WriteAtomic(h.path, data)
}

// Read is what happened in a home, oldest first: nothing where there is no history. Of
// a file that has outgrown its bound the newest 512 KiB are read, and a line that a full
// disk or a crash has cut is left out. It may be called while a History writes.
func Read(home string) ([]Event, error) {
	data, err := fsx.ReadTail(filepath.Join(home, HistoryName), 2*maxHistory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var events []Event
	for line := range bytes.Lines(data) {
		var e Event
		if json.Unmarshal(line, &e) == nil && e.Event != "" {
			events = append(events, e)
		}
	}
	return events, nil
}
