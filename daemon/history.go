package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/falcred/falcred/protocol/strict"
)

// historyFile answers "why was I logged out?": JSON lines, no secret in them.
const historyFile = "falcred.history"

// What happened to a login.
const (
	EventStarted       = "started"        // the daemon
	EventStopped       = "stopped"        //
	EventLoggedIn      = "logged_in"      // a login appeared where there was none
	EventAdopted       = "adopted"        // somebody else wrote another token
	EventRefreshed     = "refreshed"      // falcred did
	EventRejected      = "rejected"       // the issuer no longer knows the refresh token
	EventLoginRequired = "login_required" // the login is over; the file is kept
	EventRestored      = "restored"       // falcred put the living token back into the file
	EventVanished      = "vanished"       // the file is gone, and the issuer cannot be asked whether that is a logout
	EventLoggedOut     = "logged_out"     //
	EventUnavailable   = "unavailable"    // refreshing fails; it is tried again
	EventClock         = "clock"          // it jumped, or the machine slept
)

// Event is one line of the history.
type Event struct {
	Time    time.Time
	Event   string
	Cause   string    `json:",omitempty"`
	Subject string    `json:",omitempty"` // whose login
	Expires time.Time `json:",omitzero"`  // of the access token
	PID     int       // of the daemon: several may share a home
}

const (
	// maxHistory bounds the file: some thousand lines, months of a quiet login.
	maxHistory = 256 << 10
	// keptHistory is what is left when it has grown to that.
	keptHistory = maxHistory / 2
	// maxPending events wait for a slow disk; more are dropped and counted.
	maxPending = 64
)

// history writes events behind the login's back: no request and no refresh
// waits for it.
type history struct {
	path    string
	log     *slog.Logger
	pending chan Event
	done    chan struct{}
}

func openHistory(home string, log *slog.Logger) *history {
	h := &history{
		path: filepath.Join(home, historyFile), log: log,
		pending: make(chan Event, maxPending), done: make(chan struct{}),
	}
	go h.write()
	return h
}

// add never waits.
func (h *history) add(e Event) {
	select {
	case h.pending <- e:
	default:
		h.log.Warn("an event is missing in the history: the disk is slow", "event", e.Event)
	}
}

// historyFarewell is what a slow disk is given when the daemon ends.
const historyFarewell = 2 * time.Second

// close has what is pending written, and does not wait for a disk that hangs: the
// end must not (S5). Nothing may be added after it.
func (h *history) close() {
	close(h.pending)
	select {
	case <-h.done:
	case <-time.After(historyFarewell):
		h.log.Warn("the end of the history is missing: the disk is slow")
	}
}

func (h *history) write() {
	defer close(h.done)
	failed := false
	for e := range h.pending {
		err := h.append(e)
		if err != nil && !failed {
			h.log.Warn("the history cannot be written", "cause", err)
		}
		failed = err != nil
	}
}

// append is one write of one line: daemons that share a home do not mix theirs.
func (h *history) append(e Event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	flags := os.O_RDWR | os.O_APPEND
	if e.Event != EventLoggedOut && e.Event != EventVanished {
		flags |= os.O_CREATE // those can be an `rm -r` of the home, which a new file would stop
	}
	file, err := strict.Open(h.path, flags, 0o600)
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
	if othersCanRead(info) {
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
func (h *history) shorten() error {
	data, err := readTail(h.path, keptHistory)
	if err != nil || len(data) < keptHistory {
		return err
	}
	_, data, _ = bytes.Cut(data, []byte("\n"))
	return writeAtomic(h.path, data)
}

// readTail reads the end of a file of ours. One that could not be shortened is not
// read whole.
func readTail(path string, most int64) ([]byte, error) {
	file, err := strict.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(file, max(0, info.Size()-most), most))
}

// ReadHistory is what happened in a home, oldest first. A line that a full disk
// or a crash has cut is left out.
func ReadHistory(home string) ([]Event, error) {
	data, err := readTail(filepath.Join(home, historyFile), 2*maxHistory)
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

// note is happenedLocked, for what concerns the daemon.
func (l *Login) note(event string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.happenedLocked(event, "")
}

// happenedLocked notes an event about the login held.
func (l *Login) happenedLocked(event, cause string) {
	now := time.Now()
	l.history.add(Event{
		Time: now.UTC(), Event: event, Cause: cause,
		Subject: l.subjectLocked(), Expires: onWall(l.login.expires, now), PID: os.Getpid(),
	})
}
