package daemon

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
)

// told is what the history says, after the owner has ended.
func (w *world) told() (events []string) {
	w.Helper()
	w.kill()
	list, err := ReadHistory(w.home)
	if err != nil {
		w.Fatal(err)
	}
	for _, e := range list {
		events = append(events, e.Event)
	}
	return events
}

// Why was I logged out? Each thing that happens to a login leaves a line, and
// none holds a token (R12).
func TestHistoryTellsWhatHappened(t *testing.T) {
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		var secrets []string
		keep := func() {
			p := w.inFile()
			secrets = append(secrets, p.refresh, p.access)
		}
		w.signIn("ann")
		w.start()
		keep()
		refresh, access, _ := w.idp.Login("bob")
		w.write(refresh, access) // another program's login
		w.check()
		w.pass(time.Second)
		keep()
		w.idp.RevokeFamily(w.inFile().refresh)
		w.pass(3 * time.Hour)
		w.signIn("ann")
		w.check()
		w.settle()
		keep()
		w.net.set(errNetDown, false)
		os.Remove(w.path)
		w.check()
		w.pass(3 * time.Second) // one try at least
		w.net.set(nil, false)
		w.pass(time.Minute) // it was the CLI's deletion: back again
		keep()
		os.Remove(w.path)
		w.check()
		w.pass(time.Second)
		want := []string{EventLoggedIn, EventRefreshed, EventAdopted, EventRejected, EventLoginRequired,
			EventAdopted, EventRefreshed, EventVanished, EventUnavailable, EventRefreshed, EventVanished, EventLoggedOut}
		got := w.told()
		if !slices.Equal(got, want) {
			w.Errorf("the history says\n%v, want\n%v", got, want)
		}
		data, _ := os.ReadFile(filepath.Join(w.home, historyFile))
		for _, secret := range secrets {
			if strings.Contains(string(data), secret) {
				w.Error("a token stands in the history")
			}
		}
		if info, _ := os.Stat(filepath.Join(w.home, historyFile)); info.Mode().Perm() != 0o600 {
			w.Errorf("its mode is %o", info.Mode().Perm())
		}
	})
}

// A jump of the clock is noted, and time that merely passes is not.
func TestHistoryNotesTheClock(t *testing.T) {
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 24 * time.Hour}, func(w *world) {
		w.start()
		w.pass(3 * time.Hour)
		w.mu.Lock()
		now := time.Now()
		w.clockLocked(now)
		// Add moves both readings of a time; a jump moves the wall's only.
		w.looked, w.lookedWall = now, now.Add(-time.Hour).Round(0)
		w.clockLocked(now)
		w.mu.Unlock()
		if got := w.told(); !slices.Equal(got, []string{EventClock}) {
			w.Errorf("the history says %v", got)
		}
	})
}

// The history is bounded, and what a crash has cut does not hide the rest.
func TestHistoryIsBounded(t *testing.T) {
	h := &history{path: filepath.Join(t.TempDir(), historyFile), log: slog.New(slog.DiscardHandler)}
	for i := range 4000 {
		if err := h.append(Event{Time: time.Now(), Event: EventRefreshed, Cause: fmt.Sprintf("%d %s", i, strings.Repeat("x", 100))}); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(h.path)
	if err != nil || info.Size() > maxHistory+1024 {
		t.Fatalf("%d bytes, %v", info.Size(), err)
	}
	file, _ := os.OpenFile(h.path, os.O_WRONLY|os.O_APPEND, 0)
	file.WriteString(`{"Event":"refr`)
	file.Close()
	events, err := ReadHistory(filepath.Dir(h.path))
	if err != nil || len(events) < 300 || !strings.HasPrefix(events[len(events)-1].Cause, "3999 ") {
		t.Errorf("%d events, %v", len(events), err)
	}
}

// A history that is not ours, or no file, is left alone and nothing fails.
func TestHistoryIsNoFifo(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		if err := mkfifo(filepath.Join(w.home, historyFile)); err != nil {
			w.Skip(err)
		}
		w.signIn("ann")
		w.start()
		w.mustGet()
		w.wantAlive()
		if _, err := ReadHistory(w.home); err == nil {
			w.Error("a FIFO was read")
		}
	})
}

// §3: FALCRED_ON_CHANGE is told of each change once, and of no secret.
func TestOnChange(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		t.Setenv("FAL_KEY", "id:canary")
		out := filepath.Join(w.home, "changes")
		w.onChangeCommand = `env | grep -c canary >>"$FAL_HOME_DIR/leaks"; echo "$FALCRED_STATE" >>"$FAL_HOME_DIR/changes"; echo it is wrong >&2; exit 3`
		w.signIn("ann")
		w.start()
		w.pass(61 * time.Minute)
		w.idp.RevokeFamily(w.inFile().refresh)
		w.pass(61 * time.Minute)
		if state := w.status().State; state != protocol.StateLoginRequired {
			w.Errorf("the state is %s", state)
		}
		w.signIn("ann")
		w.check()
		w.settle()
		os.Remove(w.path)
		w.check()
		w.settle()
		w.pass(time.Second)
		log := w.log
		w.kill()
		data, _ := os.ReadFile(out)
		got := strings.Fields(string(data))
		want := []string{"refreshed", "refreshed", "login_required", "logged_in", "refreshed", "unavailable", "logged_out"}
		if !slices.Equal(got, want) {
			w.Errorf("told %v, want %v\n%s", got, want, log)
		}
		if leaks, _ := os.ReadFile(filepath.Join(w.home, "leaks")); strings.Trim(string(leaks), "0\n") != "" {
			w.Error("a key reached the command")
		}
		if !strings.Contains(log.String(), "FALCRED_ON_CHANGE failed") || !strings.Contains(log.String(), `said="it is wrong"`) {
			w.Error("its failure is not in the log")
		}
	})
}

// A login after a start without one is a change; what is there at the start is none.
func TestOnChangeOfTheFirstLogin(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.onChangeCommand = `echo "$FALCRED_STATE" >>"$FAL_HOME_DIR/changes"`
		told := func() string {
			data, _ := os.ReadFile(filepath.Join(w.home, "changes"))
			return strings.Join(strings.Fields(string(data)), " ")
		}
		w.start()
		w.signIn("ann")
		w.check()
		w.pass(time.Second)
		w.kill()
		if got := told(); !strings.HasPrefix(got, "logged_in") {
			w.Errorf("told %q", got)
		}
		before := told()
		w.start()
		w.pass(time.Second)
		w.kill()
		if got := told(); got != before {
			w.Errorf("a start told %q", strings.TrimPrefix(got, before))
		}
	})
}

// The limit of FALCRED_ON_CHANGE ends its children too, and a home that is gone
// is no reason not to tell of it.
func TestOnChangeEndsWhole(t *testing.T) {
	home, out := t.TempDir(), t.TempDir()
	fifo := filepath.Join(out, "alive")
	if err := mkfifo(fifo); err != nil {
		t.Skip(err)
	}
	o := newOnChange(Config{Home: filepath.Join(home, "gone"), OnChange: `sleep 1000 >"` + fifo + `"; echo late`}, slog.New(slog.DiscardHandler))
	o.add(change{"logged_out", ""})
	held, err := os.Open(fifo) // returns when the child has it open too
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	o.stop()
	if _, err := held.Read(make([]byte, 1)); err != io.EOF { // at the child's end
		t.Errorf("read: %v", err)
	}
	o.close(t.Context())
}

func TestEventJSON(t *testing.T) {
	line, _ := json.Marshal(Event{Time: time.Unix(0, 0).UTC(), Event: EventStarted, PID: 1})
	if string(line) != `{"Time":"1970-01-01T00:00:00Z","Event":"started","PID":1}` {
		t.Errorf("%s", line)
	}
}

// S5: a disk that hangs does not keep the daemon from its end.
func TestS5HistoryOnADiskThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &syncBuffer{}
		h := &history{log: slog.New(slog.NewTextHandler(log, nil)), pending: make(chan Event, 1), done: make(chan struct{})}
		h.add(Event{Event: EventStopped}) // which nobody comes to write
		begun := time.Now()
		h.close()
		if took := time.Since(begun); took > historyFarewell {
			t.Errorf("it took %v", took)
		}
		if !strings.Contains(log.String(), "the end of the history is missing") {
			t.Error("it is not said")
		}
	})
}

func mustContain(t *testing.T, text, want string) {
	t.Helper()
	if !strings.Contains(text, want) {
		t.Errorf("%q does not say %q", text, want)
	}
}
